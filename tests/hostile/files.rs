//! Files that claim to be plugins: hundreds of megabytes, a thousand components inside of each other, few bytes that unfold
//! into a thousand million instances, cut off anywhere, and with bytes changed. Each is refused or right, in little memory.

use super::text::{text_component, text_component_of};
use crate::guests::component;
use crate::support::{Place, Ran};
use std::process::Command;

/// What a refusal may take: the program itself takes a third of it.
const MEGABYTES: usize = 400;

/// `xhost plugin check` on the file `guest.wasm`, with a limit on its memory.
fn check(place: &Place) -> Ran {
    let xhost = place.xhost();
    let limit = format!("ulimit -d {}; exec \"$@\"", MEGABYTES << 10);
    let mut command = Command::new("sh");
    command
        .args(["-c", &limit, "sh"])
        .arg(xhost.get_program())
        .args(["plugin", "check", "guest.wasm"])
        .current_dir(xhost.get_current_dir().expect("it has one"));
    for (name, value) in xhost
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)))
    {
        command.env(name, value);
    }
    Ran::of(&mut command)
}

#[track_caller]
fn refused(bytes: &[u8], words: &str) {
    let place = Place::new();
    std::fs::write(place.path("guest.wasm"), bytes).expect("it can be written");
    check(&place).expect(2).says(&["guest", words]);
}

#[test]
fn hundreds_of_megabytes_are_refused_unread_and_so_is_what_never_ends() {
    let place = Place::new();
    let file = std::fs::File::create(place.path("guest.wasm")).expect("a file");
    file.set_len(300 << 20).expect("a sparse file");
    check(&place)
        .expect(2)
        .says(&["guest", "314572800 bytes; the limit is 67108864"]);
    std::fs::remove_file(place.path("guest.wasm")).expect("removed");
    std::os::unix::fs::symlink("/dev/zero", place.path("guest.wasm")).expect("linked");
    check(&place)
        .expect(2)
        .says(&["guest", "does not start as WebAssembly does"]);
}

/// A number as WebAssembly writes it.
fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn section(id: u8, bytes: &[u8]) -> Vec<u8> {
    [&[id][..], &number(bytes.len()), bytes].concat()
}

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

#[test]
fn a_thousand_components_inside_of_each_other_are_refused() {
    let mut nested = COMPONENT.to_vec();
    for _ in 0..1_000 {
        nested = [COMPONENT, &section(4, &nested)].concat();
    }
    refused(&nested, "components inside of each other; the limit is 16");
}

#[test]
fn few_bytes_that_unfold_into_a_thousand_million_instances_are_refused() {
    let mut text = "(component $c0)".to_owned();
    for level in 1..31 {
        let twice = format!("(instance (instantiate $c{}))", level - 1).repeat(2);
        text.push_str(&format!("(component $c{level} {twice})"));
    }
    let bytes = wat::parse_str(format!("(component {text})")).expect("it is a component");
    refused(&bytes, "instances; the limit is 10000");
}

#[test]
fn what_takes_a_hundred_bytes_of_memory_for_each_of_its_own_is_counted_first() {
    // A type takes one byte: thirty-two million of them.
    let types = [number(1_000_000), vec![0x7f; 1_000_000]].concat();
    let inner = [COMPONENT, &section(7, &types)].concat();
    let many = section(4, &inner).repeat(32);
    refused(
        &[COMPONENT, &many].concat(),
        "bytes of declarations; the limit is 2097152",
    );
}

#[test]
fn a_plugin_of_sixty_megabytes_is_as_right_as_a_small_one() {
    let place = Place::new();
    let megabyte = format!("(data (i32.const 0x100000) \"{}\")\n", "x".repeat(1 << 20));
    let guest = text_component_of("scorer/well-behaved", |text| {
        let text = text.replace(
            "(memory (export \"memory\") 16)",
            "(memory (export \"memory\") 64)",
        );
        text.replace(
            "    ;; `schema` points",
            &format!("{}    ;; `schema` points", megabyte.repeat(60)),
        )
    });
    assert!(guest.len() > 60 << 20);
    std::fs::write(place.path("guest.wasm"), guest).expect("it can be written");
    place.write(
        "rows.jsonl",
        "{\"id\": \"a\", \"input\": \"?\", \"target\": \"x\"}\n",
    );
    place.write(
        "xhost.yaml",
        "name: large\ndataset: {path: rows.jsonl}\nprompt: '{{ input }}'\nmodel: openai/demo\n\
         plugins: [guest.wasm]\nscorers: [guest, includes]\n",
    );
    place.run(&["--rehearse", "--out", "out"]).expect(0);
    let scores = place.lines("out/trials.jsonl")[0]["scores"].clone();
    assert_eq!(
        (&scores[0]["value"], &scores[1]["scorer"]),
        (&1.0.into(), &"includes".into())
    );
    let peak = place.json("out/summary.json")["totals"]["peak_memory_bytes"].as_u64();
    assert!(peak.expect("the system tells") < 500 << 20, "{peak:?}");
}

#[test]
fn a_plugin_that_is_cut_off_anywhere_is_refused_by_its_name() {
    let hostile =
        component("hostile", "tests/guests/prebuilt/hostile.wasm").expect("it is committed");
    let large = std::fs::read(hostile).expect("it is there");
    for whole in [text_component("scorer/well-behaved"), large] {
        let place = Place::new();
        for part in 0..12 {
            let end = whole.len() * part / 12;
            std::fs::write(place.path("guest.wasm"), &whole[..end]).expect("it can be written");
            check(&place).expect(2).says(&["guest"]);
        }
    }
}

/// What changes is the same in every run.
#[test]
fn a_plugin_with_changed_bytes_is_refused_or_runs_and_never_ends_the_program() {
    let whole = text_component("scorer/well-behaved");
    let place = Place::new();
    let (mut refused, mut taken) = (0, 0);
    for seed in 0..24_usize {
        let mut bytes = whole.clone();
        let chance = blake3::hash(&seed.to_le_bytes());
        for pair in chance.as_bytes().chunks_exact(4).take(1 + seed % 4) {
            let at = usize::from(u16::from_le_bytes([pair[0], pair[1]])) % bytes.len();
            bytes[at] = pair[2];
        }
        std::fs::write(place.path("guest.wasm"), bytes).expect("it can be written");
        match check(&place).code() {
            0 => taken += 1,
            2 => refused += 1,
            other => panic!("change {seed} ended with {other}"),
        }
    }
    assert!(
        refused > 0 && taken > 0,
        "{refused} were refused, {taken} taken"
    );
}
