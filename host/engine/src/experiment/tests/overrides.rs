//! Overrides: which arguments are some, how their values split, and what is wrong with them.

use serde_json::{Value, json};

use super::super::{arguments, is_override};
use super::{BASE, message, read, settings};

#[test]
fn a_key_an_equals_sign_and_a_value_make_an_override() {
    for argument in ["a=1", "a.b.0.c-d_e=x=y", "model=", "params.$x=1", "größe=1"] {
        assert!(is_override(argument), "{argument}");
    }
    for argument in [
        "x.yaml",
        "./a=b.yaml",
        "dir/a=b.yaml",
        "=x",
        "--a=b",
        "a..b=1",
        ".a=1",
        "a b=1",
        "",
    ] {
        assert!(!is_override(argument), "{argument}");
    }
}

#[test]
fn values_split_at_outer_commas_and_are_yaml() {
    let table: [(&str, &[Value]); 24] = [
        ("a", &[json!("a")]),
        ("a, b", &[json!("a"), json!("b")]),
        ("1,2.5,-3", &[json!(1), json!(2.5), json!(-3)]),
        ("true,null,no", &[json!(true), json!(null), json!("no")]),
        ("", &[json!("")]),
        ("''", &[json!("")]),
        ("'',a", &[json!(""), json!("a")]),
        ("'a,b'", &[json!("a,b")]),
        ("\"a,\\\"b\",c", &[json!("a,\"b"), json!("c")]),
        ("'1'", &[json!("1")]),
        ("it's,so", &[json!("it's"), json!("so")]),
        ("[\"a\",\"b\"]", &[json!(["a", "b"])]),
        ("[a,b],[c]", &[json!(["a", "b"]), json!(["c"])]),
        (
            "{a: [1, 2], b: ','},3",
            &[json!({"a": [1, 2], "b": ","}), json!(3)],
        ),
        ("f(a[1,2])", &[json!("f(a[1,2])")]),
        ("{{ input }} and {x}", &[json!("{{ input }} and {x}")]),
        ("Q: {{ input }}", &[json!("Q: {{ input }}")]),
        ("openai/gpt-4o", &[json!("openai/gpt-4o")]),
        ("...", &[json!("...")]),
        ("-", &[json!("-")]),
        ("007", &[json!("007")]),
        ("*x", &[json!("*x")]),
        ("# x", &[json!("# x")]),
        ("10..20", &[json!("10..20")]),
    ];
    for (text, expect) in table {
        let parsed = arguments::parse(&format!("k={text}"), 0).unwrap();
        let values: Vec<Value> = parsed.values.iter().map(|node| node.value()).collect();
        assert_eq!(values, expect, "{text}");
    }
}

#[test]
fn a_bad_override_is_named_with_what_to_write() {
    let model = "Known here: provider, name, base_url, key_variable, endpoint, sampling, params";
    let sampling = "Known here: max_tokens, temperature, top_p, stop, seed, response_schema, extra";
    let table = [
        (
            "model.nme=x",
            format!("unknown key `model.nme`; did you mean `model.name`? {model}"),
        ),
        (
            "model.samplng.seed=1",
            format!("unknown key `model.samplng`; did you mean `model.sampling.seed`? {model}"),
        ),
        (
            "model.sampling.temprature=1,2",
            format!(
                "unknown key `model.sampling.temprature`; did you mean `model.sampling.temperature`? {sampling}"
            ),
        ),
        (
            "dataset.x.y=1",
            "unknown key `dataset.x`. Known here: path, format, fields, limit, range, ids, shuffle"
                .to_owned(),
        ),
        (
            "scorers.0.params.x=3",
            "`scorers` is an empty list; set the whole list".to_owned(),
        ),
        (
            "salt.x=1",
            "`salt` is the text `s`; there is no `x` below it".to_owned(),
        ),
        ("epochs=1,0", "`epochs` is 0; write 1 or more".to_owned()),
        (
            "model=gpt",
            "`model` is `gpt`; write `PROVIDER/NAME`, such as `openai/gpt-4o-mini`".to_owned(),
        ),
        (
            "model=[",
            "`]` is missing at its end, or the value must stand in quotes".to_owned(),
        ),
        (
            "model='a",
            "`'` is missing at its end, or the value must stand in quotes".to_owned(),
        ),
        (
            "model=a]",
            "`]` closes nothing; put the value in quotes".to_owned(),
        ),
        (
            "model=a,",
            "one of its values is empty; write '' for an empty text, or quote the comma".to_owned(),
        ),
        (
            "model={a: 1, a: 2}",
            "the key `a` stands twice in this map; keep one".to_owned(),
        ),
        (
            "salt=a,a",
            "`sweep.salt` has the text `a` twice; remove one".to_owned(),
        ),
        (
            "a b=x",
            "its key is no path; write names with dots between".to_owned(),
        ),
        (
            "model",
            "write KEY=VALUE, such as `model.sampling.temperature=0`".to_owned(),
        ),
        (
            "sweep.salt=a",
            "`sweep.salt` cannot be overridden; sweep a key by KEY=A,B, or set it by KEY=A"
                .to_owned(),
        ),
        (
            "name=a,b",
            "`name` is one for the whole experiment and cannot be swept; remove it from the sweep"
                .to_owned(),
        ),
    ];
    let text = format!("{BASE}salt: s\n");
    for (argument, expect) in table {
        let message = message("x.yaml", read(&text, &[argument]));
        assert_eq!(message, format!("override `{argument}`: {expect}"));
    }
}

#[test]
fn an_override_reaches_into_short_forms_and_lists() {
    let text = format!("{BASE}scorers: [numeric, {{plugin: match}}]\n");
    let overrides = [
        "prompt.params.system=Be brief.",
        "model.name=n",
        "scorers.0.params.x=3",
        "scorers.1=exact",
        "dataset.limit=5",
    ];
    let expect = concat!(
        r#"{"dataset":{"path":["d.jsonl"],"limit":5},"prompt":{"plugin":"template","params":{"user":"{{ input }}","#,
        r#""system":"Be brief."}},"model":{"provider":"openai","name":"n"},"scorers":[{"plugin":"numeric","params":{"x":3}},"#,
        r#"{"plugin":"exact"}]}"#,
    );
    let experiment = read(&text, &overrides).unwrap();
    assert_eq!(settings(&experiment), expect);
    assert!(experiment.cells[0].axes.is_empty());
    assert_eq!(read(&text, &["name=other"]).unwrap().name, "other");
    assert_eq!(
        read(&text, &["scorers.5=a"]).unwrap_err().to_string(),
        "override `scorers.5=a`: `scorers` is a list of 2: write 0 to 1 in place of `5`, or set the whole list"
    );
}
