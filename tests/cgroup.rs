//! A large run in a control group of 200 MB, made by this test where the machine allows it. Its full size, twenty configs over
//! 100,000 samples, takes minutes: `XHOST_LARGE=100000 cargo test --release -p xhost --test integration -- cgroup::`.

use crate::support::Place;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const LIMIT: u64 = 200_000_000;

/// A group of version 1 or 2 with the limit. Gone at the end.
struct Group {
    folder: PathBuf,
}

impl Group {
    /// `None` where this user may not make one, or where memory is not governed here.
    fn make() -> Option<Group> {
        let name = format!("xhost-test-{}", std::process::id());
        for (root, file) in [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ] {
            let folder = PathBuf::from(root).join(&name);
            if fs::create_dir(&folder).is_err() {
                continue;
            }
            let group = Group { folder };
            if fs::write(group.folder.join(file), LIMIT.to_string()).is_ok() {
                return Some(group);
            }
        }
        eprintln!(
            "NOT RUN: no control group can be made here; `governor::tests` and `doctor::tests` run the same code on captured trees"
        );
        None
    }

    fn procs(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its process has ended; otherwise the machine keeps an empty group.
        let _ = fs::remove_dir(&self.folder);
    }
}

#[test]
fn twenty_configs_end_in_a_control_group_of_200_megabytes() {
    let Some(group) = Group::make() else { return };
    let large = std::env::var_os("XHOST_LARGE").and_then(|text| text.into_string().ok());
    let samples: usize = large.and_then(|text| text.parse().ok()).unwrap_or(150);
    let place = Place::new();
    let mut rows = String::new();
    for id in 0..samples {
        let _ = writeln!(
            rows,
            "{{\"id\": \"r{id}\", \"input\": \"Question {id}: {}?\", \"target\": \"x\"}}",
            "why ".repeat(100)
        );
    }
    place.write("rows.jsonl", &rows);
    let seeds: Vec<String> = (0..20).map(|seed| seed.to_string()).collect();
    place.write(
        "xhost.yaml",
        &format!(
            "name: large\ndataset: rows.jsonl\nprompt: '{{{{ input }}}}'\nmodel: {{provider: openai, name: demo, sampling: {{max_tokens: \
             64}}}}\nscorers: [includes]\nsweep: {{model.sampling.seed: [{}]}}\n",
            seeds.join(", ")
        ),
    );
    // The shell goes into the group and then becomes xhost, so that all of its memory counts there.
    let program = place.xhost();
    let mut shell = Command::new("sh");
    shell.current_dir(place.path("."));
    shell.envs(
        program
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let script = format!(
        "echo $$ > {} && exec {} run --rehearse --out out",
        group.procs().display(),
        program.get_program().display()
    );
    let output = shell
        .args(["-c", &script])
        .output()
        .expect("the shell starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let summary = place.json("out/summary.json");
    assert_eq!(summary["totals"]["trials"], 20 * samples);
    let peak = summary["totals"]["peak_memory_bytes"]
        .as_u64()
        .expect("it is known");
    eprintln!("{} trials, {} MiB at most", 20 * samples, peak >> 20);
    assert!(peak < LIMIT, "{peak}");
}
