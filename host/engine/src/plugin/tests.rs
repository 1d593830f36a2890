//! What is told from a component's bytes, before anything compiles them.

use super::Kind;
use super::inspect::{LoadError, Role, inspect};

/// The bytes of a component, or of anything else that has a text form.
#[track_caller]
fn bytes(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text is a module or a component")
}

/// A component that exports empty instances under these names.
fn exporting(names: &[&str]) -> Vec<u8> {
    let instance =
        |(index, name)| format!("(instance $i{index}) (export \"{name}\" (instance $i{index}))");
    let instances: String = names.iter().enumerate().map(instance).collect();
    bytes(&format!("(component {instances})"))
}

fn found(bytes: &[u8]) -> (Kind, bool) {
    let Role { kind, batch, .. } = inspect("guest", bytes).expect("it is a plugin").role;
    (kind, batch)
}

/// The words of the refusal.
#[track_caller]
fn check(bytes: &[u8], expected: &str) {
    let error = inspect("guest", bytes)
        .expect_err("it is refused")
        .to_string();
    assert_eq!(error, expected);
}

const NOT: &str = "guest is not a WebAssembly component: ";
const NO_KIND: &str = "guest is a component, but no xhost plugin: it exports none of xhost:plugin/prompt-builder, \
                       xhost:plugin/scorer, xhost:plugin/provider (at version 0.1.0)";

#[test]
fn the_kind_is_read_from_what_is_exported() {
    for (exports, expected) in [
        (&["xhost:plugin/scorer@0.1.0"][..], (Kind::Scorer, false)),
        (
            &["xhost:plugin/prompt-builder@0.1.0"],
            (Kind::PromptBuilder, false),
        ),
        (&["xhost:plugin/provider@0.1.0"], (Kind::Provider, false)),
        (
            &["xhost:plugin/provider@0.1.0", "xhost:plugin/batch@0.1.0"],
            (Kind::Provider, true),
        ),
        (
            &["acme:greeter/greet@1.0.0", "xhost:plugin/scorer@0.1.0"],
            (Kind::Scorer, false),
        ),
    ] {
        assert_eq!(found(&exporting(exports)), expected, "{exports:?}");
    }
}

#[test]
fn what_is_no_component_is_told_what_it_is() {
    let start = format!("{NOT}it does not start as WebAssembly does");
    check(b"", &start);
    check(b"\0as", &start);
    check(b"garbage, and more of it than a header has", &start);
    check(b"\x7fELF\x02\x01\x01\0", &start);
    check(
        &bytes("(module)"),
        &format!(
            "{NOT}it is a core module; build it for wasm32-wasip2, or wrap it with `wasm-tools component new`"
        ),
    );
}

#[test]
fn a_component_that_is_no_plugin_of_this_version_is_told_why() {
    let built_for = |version: &str| {
        format!(
            "guest was built for version {version} of xhost:plugin, and this xhost speaks version 0.1.0: "
        )
    };
    let newer = "get a newer xhost, or build the plugin against this version's wit folder";
    let older = "build the plugin again against this version's wit folder";
    let two = |first: &str, second: &str| {
        format!(
            "guest exports two kinds of plugin, {first} and {second}: build one component for each"
        )
    };
    for (exports, expected) in [
        (&[][..], NO_KIND.to_owned()),
        (&["acme:greeter/greet@1.0.0"], NO_KIND.to_owned()),
        (&["acme:plugin/scorer@0.1.0"], NO_KIND.to_owned()),
        (&["xhost:plugin/batch@0.1.0"], NO_KIND.to_owned()),
        (&["xhost:plugin/scorer@0.9.0"], built_for("0.9.0") + newer),
        (&["xhost:plugin/scorer@0.10.0"], built_for("0.10.0") + newer),
        (&["xhost:plugin/scorer@0.0.1"], built_for("0.0.1") + older),
        (&["xhost:plugin/scorer"], built_for("none") + older),
        (
            &[
                "xhost:plugin/scorer@0.1.0",
                "xhost:plugin/prompt-builder@0.1.0",
            ],
            two("scorer", "prompt builder"),
        ),
        (
            &[
                "xhost:plugin/provider@0.1.0",
                "xhost:plugin/batch@0.1.0",
                "xhost:plugin/scorer@0.1.0",
            ],
            two("provider", "scorer"),
        ),
    ] {
        check(&exporting(exports), &expected);
    }
}

#[test]
fn what_a_component_inside_of_it_exports_makes_no_plugin() {
    let inside =
        r#"(component $inside (instance $i) (export "xhost:plugin/scorer@0.1.0" (instance $i)))"#;
    check(&bytes(&format!("(component {inside})")), NO_KIND);
}

#[test]
fn what_would_compile_for_minutes_is_refused_by_its_counts() {
    let component = |inside: &str| bytes(&format!("(component {inside})"));
    let module = |functions: &str| format!("(core module {functions})");
    let has = |what: &str| format!("the plugin guest has {what}");
    check(
        &component(&module(&"(func)".repeat(100_001))),
        &has("100001 functions; the limit is 100000"),
    );
    check(
        &component(&module(&"(func)".repeat(50_001)).repeat(2)),
        &has("100002 functions; the limit is 100000"),
    );
    check(
        &component(&module("").repeat(65)),
        &has("65 core modules; the limit is 64"),
    );
    // Its body also holds the count of its locals and its end.
    let long = format!("(func {})", "nop ".repeat(1 << 20));
    check(
        &component(&module(&long)),
        &has("1048578 bytes in one function; the limit is 1048576"),
    );
}

#[test]
fn features_that_no_guest_gets_are_refused_before_anything_is_compiled() {
    for module in ["(memory i64 1)", "(memory 1 1 shared)"] {
        let bytes = bytes(&format!("(component (core module {module}))"));
        let error = inspect("guest", &bytes)
            .expect_err("it is refused")
            .to_string();
        assert!(
            error.starts_with(&format!("{NOT}it is not valid: ")),
            "{module}: {error}"
        );
    }
}

/// A whole scorer, small enough to be tried at every cut.
fn scorer() -> Vec<u8> {
    let shell = include_str!("../../../../tests/guests/wat/scorer.wat");
    let guest = include_str!("../../../../tests/guests/wat/scorer/well-behaved.wat");
    bytes(&shell.replace(";; GUEST\n", guest))
}

#[test]
fn a_component_that_is_cut_off_or_damaged_anywhere_is_refused_or_read_and_never_ends_the_host() {
    let whole = scorer();
    assert_eq!(found(&whole), (Kind::Scorer, false));
    for end in (0..whole.len()).step_by(16) {
        match inspect("guest", &whole[..end]) {
            Err(LoadError::NotAComponent { .. } | LoadError::NoKind { .. }) => {}
            other => panic!("cut off at byte {end} of {}: {other:?}", whole.len()),
        }
    }
    for at in (0..whole.len()).step_by(16) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        // Names may be damaged and still be names; what matters is that something comes back.
        drop(inspect("guest", &damaged));
    }
}

#[test]
fn what_a_component_unfolds_into_is_counted_without_unfolding_it() {
    let component = |inside: &str| bytes(&format!("(component {inside})"));
    let doubling = |levels: usize| {
        let level = |n: usize| {
            let twice = format!("(instance (instantiate $c{}))", n - 1).repeat(2);
            format!("(component $c{n} {twice})")
        };
        let levels: String = (1..=levels).map(level).collect();
        component(&format!("(component $c0) {levels}"))
    };
    // Twelve levels are 8,191 instances, thirteen 16,383.
    check(&doubling(12), NO_KIND);
    check(
        &doubling(13),
        "the plugin guest has 16383 instances; the limit is 10000",
    );
    let composed = |inside: &str, what: &str| {
        check(
            &component(inside),
            &format!("the plugin guest is put together as no plugin needs to be: {what}"),
        );
    };
    composed(
        "(component $a (import \"b\" (component $b)) (instance (instantiate $b)))",
        "a component inside of it is an argument of another one; name it where it is instantiated",
    );
}

#[test]
fn a_plugin_of_several_components_with_code_is_told_from_one_of_one() {
    let code = "(core module $m (func (export \"f\"))) (core instance $i (instantiate $m)) \
                (func (export \"f\") (canon lift (core func $i \"f\")))";
    let plugin = "(instance $p) (export \"xhost:plugin/scorer@0.1.0\" (instance $p))";
    let one = format!("(component $a {code}) (instance (instantiate $a))");
    for (inside, expected) in [
        (code.to_owned(), false),
        (one.clone(), false),
        (format!("{one} (instance (instantiate $a))"), true),
        (format!("{one} {code}"), true),
    ] {
        let bytes = bytes(&format!("(component {inside} {plugin})"));
        let inspected = inspect("guest", &bytes).expect("it is a plugin");
        assert_eq!(inspected.role.composed, expected, "{inside}");
    }
}

#[test]
fn depth_declarations_and_items_are_bounded() {
    let inside = |levels: usize| {
        let text = "(component ".repeat(levels) + &")".repeat(levels);
        bytes(&text)
    };
    check(&inside(16), NO_KIND);
    check(
        &inside(17),
        "the plugin guest has 17 components inside of each other; the limit is 16",
    );
    let globals = "(global i32 (i32.const 0))".repeat(500_001);
    check(
        &bytes(&format!("(component (core module {globals}))")),
        "the plugin guest has 500001 items in its modules; the limit is 500000",
    );
}
