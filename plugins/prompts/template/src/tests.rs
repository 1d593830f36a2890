//! What is asked, for parameters and a row.

use super::*;
use serde_json::{Value, json};
use xhost_plugin::Prompt;

fn next(params: &Value, answers: &[&str]) -> Result<Step, Refusal> {
    let row = json!({"question": "2 + 2?", "n": 2, "chat": [
        {"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"},
    ]});
    let sample = Sample::new("7", "2 + 2?")
        .target("4")
        .target("four")
        .row(&row);
    let asked = answers
        .iter()
        .map(|answer| Exchange::new(Prompt::user("?"), *answer))
        .collect();
    let params = xhost_plugin::glue::read(&params.to_string()).map_err(Refusal::BadParams)?;
    Template::next(params, sample, asked)
}

/// One line for each message.
fn conversation(params: &Value, answers: &[&str]) -> String {
    match next(params, answers) {
        Ok(Step::Ask(prompts)) => {
            let messages = prompts.iter().flat_map(|prompt| &prompt.messages);
            messages
                .map(|message| format!("{}: {}\n", message.role.as_str(), message.text()))
                .collect()
        }
        Ok(Step::Done(text)) => format!("{text:?}"),
        Err(refusal) => format!("{refusal:?}"),
    }
}

#[test]
fn a_conversation_is_what_the_parameters_say() {
    let check = |params: Value, expect: &str| assert_eq!(conversation(&params, &[]), expect);
    check(json!({}), "user: 2 + 2?\n");
    check(
        json!({"system": "Be {{ n }}.", "user": "{{ question }}!"}),
        "system: Be 2.\nuser: 2 + 2?!\n",
    );
    check(
        json!({"messages_field": "chat"}),
        "user: hello\nassistant: hi\nuser: 2 + 2?\n",
    );
    check(
        json!({"messages_field": "chat", "user": null}),
        "user: hello\nassistant: hi\n",
    );
    let shots = json!([{"input": "1 + 1?", "target": "2"}, {"input": "3?", "targets": [3, 4]}, {}]);
    check(
        json!({"examples": shots, "shots": 2}),
        "user: 1 + 1?\nassistant: 2\nuser: 3?\nassistant: 3\nuser: 2 + 2?\n",
    );
    check(
        json!({"examples": [{"q": "a", "why": "b"}], "example_user": "Q {{ q }}", "example_assistant": "{{ why }}"}),
        "user: Q a\nassistant: b\nuser: 2 + 2?\n",
    );
}

#[test]
fn follow_ups_are_asked_one_after_another() {
    let params =
        json!({"follow_ups": ["Sure about {{ answers[0] }}?", "{{ answers | join('|') }}"]});
    let check = |answers: &[&str], expect: &str| assert_eq!(conversation(&params, answers), expect);
    check(&[], "user: 2 + 2?\n");
    check(&["5"], "user: 2 + 2?\nassistant: 5\nuser: Sure about 5?\n");
    check(
        &["5", "4"],
        "user: 2 + 2?\nassistant: 5\nuser: Sure about 5?\nassistant: 4\nuser: 5|4\n",
    );
    check(&["5", "4", "yes"], "None");
}

#[test]
fn what_cannot_be_asked_is_refused_with_what_to_change() {
    let check = |params: Value, expect: &str| {
        let refusal = format!("{:?}", next(&params, &[]).unwrap_err());
        assert!(refusal.starts_with(expect), "{refusal}");
    };
    check(
        json!({"user": "{{ x }}"}),
        r#"Refusal::BadInput("`user` uses `x`, which this row lacks; there are `question`"#,
    );
    check(
        json!({"follow_ups": ["{{"]}),
        r#"Refusal::BadParams("`follow_ups[0]`, line 1 of the template: "#,
    );
    check(
        json!({"examples": [{}]}),
        r#"Refusal::BadParams("examples[0]: `example_user` uses `input`"#,
    );
    check(
        json!({"shots": 1}),
        r#"Refusal::BadParams("`shots` is 1, but `examples` has 0")"#,
    );
    check(
        json!({"user": null}),
        r#"Refusal::BadParams("`user` is null"#,
    );
    check(
        json!({"usr": ""}),
        r#"Refusal::BadParams("`usr`: unknown field"#,
    );
    check(
        json!({"messages_field": "n"}),
        r#"Refusal::BadInput("the field `n` is no list of"#,
    );
    check(
        json!({"messages_field": "m"}),
        r#"Refusal::BadInput("the row has no field `m`; it has `question`, `n`, `chat`")"#,
    );
}
