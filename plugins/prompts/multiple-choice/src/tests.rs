//! What is asked, and what becomes of the model's letter.

use super::*;
use serde_json::json;

fn next(params: &Value, row: &Value, answer: Option<&str>) -> Result<Step, Refusal> {
    let params = xhost_plugin::glue::read(&params.to_string()).map_err(Refusal::BadParams)?;
    let sample = Sample::new("2", "Which colour?").target("B").row(row);
    let asked = answer
        .map(|answer| Exchange::new(Prompt::user("?"), answer))
        .into_iter()
        .collect();
    MultipleChoice::next(params, sample, asked)
}

fn asked(params: &Value) -> String {
    match next(
        params,
        &json!({"choices": ["red", "green", "blue", 4]}),
        None,
    ) {
        Ok(Step::Ask(prompts)) => prompts[0]
            .messages
            .iter()
            .map(|m| format!("[{}]", m.text()))
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn answered(params: &Value, answer: &str) -> Option<String> {
    match next(
        params,
        &json!({"choices": ["red", "green", "blue", 4]}),
        Some(answer),
    ) {
        Ok(Step::Done(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn choices_are_lettered_and_the_form_of_the_answer_is_asked_for() {
    let check = |params: Value, expect: &str| assert_eq!(asked(&params), expect);
    let plain = json!({"template": "{{ question }} {{ letters }}\n{{ choices }}", "system": "{{ target }}!"});
    check(
        plain,
        "[B!][Which colour? A, B, C, D\nA) red\nB) green\nC) blue\nD) 4]",
    );
    assert!(
        asked(&json!({})).ends_with("reads `ANSWER: LETTER`, LETTER being one of A, B, C, D.]")
    );
    assert!(asked(&json!({"multiple": true})).ends_with("such as `ANSWER: A,B`.]"));
}

#[test]
fn a_shuffled_letter_comes_back_as_the_original_one() {
    let plain = json!({"template": "{{ choices }}"});
    let shuffled = json!({"template": "{{ choices }}", "shuffle": true});
    assert_ne!(asked(&plain), asked(&shuffled));
    let shown = asked(&shuffled);
    let green = shown.find(") green").map(|at| &shown[at - 1..at]).unwrap();
    assert_eq!(
        answered(&shuffled, &format!("Hm.\nANSWER: {green}")).as_deref(),
        Some("ANSWER: B")
    );
    assert_eq!(answered(&shuffled, "No idea."), None);
    assert_eq!(answered(&plain, "ANSWER: C"), None);
    let all = json!({"multiple": true, "shuffle": 7});
    assert_eq!(
        answered(&all, "ANSWER: D, C, B, A").as_deref(),
        Some("ANSWER: A,B,C,D")
    );
}

#[test]
fn a_row_that_is_no_question_is_refused_with_the_reason() {
    let check = |params: Value, row: Value, expect: &str| {
        let refusal = format!("{:?}", next(&params, &row, None).unwrap_err());
        assert!(refusal.starts_with(expect), "{refusal}");
    };
    let row = || json!({"choices": ["a", "b"]});
    check(
        json!({}),
        json!({"options": []}),
        r#"Refusal::BadInput("the row has no field `choices`; it has `options`")"#,
    );
    check(
        json!({}),
        json!({"choices": "ab"}),
        r#"Refusal::BadInput("the field `choices` is not a list"#,
    );
    check(
        json!({}),
        json!({"choices": ["a"]}),
        r#"Refusal::BadInput("the field `choices` has 1 choices"#,
    );
    check(
        json!({}),
        json!({"choices": vec!["a"; 27]}),
        r#"Refusal::BadInput("the field `choices` has 27 choices"#,
    );
    check(
        json!({}),
        json!({"choices": ["a", null]}),
        r#"Refusal::BadInput("the field `choices` holds null"#,
    );
    check(
        json!({"shuffle": -1}),
        row(),
        r#"Refusal::BadParams("`shuffle`: expected true, false or a seed"#,
    );
    check(
        json!({"template": "{{ x }}"}),
        row(),
        r#"Refusal::BadInput("`template` uses `x`"#,
    );
    check(
        json!({"template": "{% x %}"}),
        row(),
        r#"Refusal::BadParams("`template`, line 1 of the template"#,
    );
}
