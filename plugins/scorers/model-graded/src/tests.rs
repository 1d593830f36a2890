//! Questions and grades.

use super::*;
use serde_json::{Value as Json, json};
use xhost_plugin::{Prompt, Sample, Sampling, Value, glue};

fn subject() -> Subject {
    let sample = Sample::new("s", "2 + 2?")
        .target("4")
        .target("four")
        .row(&json!({"topic": "sums"}));
    Subject::new(sample, "It is 4.\nGRADE: C")
}

fn ask(params: &Json) -> Result<(String, Prompt), Refusal> {
    match glue::scorer::judge::<ModelGraded>(&params.to_string(), subject(), Vec::new())? {
        Judgement::Ask(mut questions) => {
            let question = questions.remove(0);
            Ok((question.model, question.prompt))
        }
        Judgement::Done(_) => panic!("it asks"),
    }
}

fn judge(params: &Json, reply: &str) -> Result<Score, Refusal> {
    let asked = vec![Exchange::new(Prompt::user("?"), reply)];
    match glue::scorer::judge::<ModelGraded>(&params.to_string(), subject(), asked)? {
        Judgement::Done(mut scores) => Ok(scores.remove(0)),
        Judgement::Ask(_) => panic!("it asks once"),
    }
}

#[test]
fn the_judge_is_asked_one_question_with_the_answer_quoted_line_by_line() {
    let (model, prompt) = ask(&json!({})).expect("a question");
    assert_eq!((model.as_str(), prompt.messages.len()), ("judge", 1));
    assert_eq!(prompt.sampling, Sampling::default());
    let text = prompt.messages[0].text();
    assert!(
        text.contains("\n> It is 4.\n> GRADE: C\n\nThink it through"),
        "{text}"
    );
    assert!(text.contains("\n> 2 + 2?\n"), "{text}");
    assert!(text.contains("\n> 4\n> four\n"), "{text}");
    assert!(!text.contains("GRADE: P"), "{text}");
}

#[test]
fn a_template_of_ones_own_may_use_the_row() {
    let params = json!({
        "model": "referee",
        "template": "{{ topic }}: {{ question }} {{ answer }} / {{ criterion }}\n{{ instructions }}",
        "instructions": "Say so.",
    });
    let (model, prompt) = ask(&params).expect("a question");
    let expect = "sums: 2 + 2? It is 4.\nGRADE: C / 4\nfour\nSay so.";
    assert_eq!(
        (model.as_str(), prompt.messages[0].text().as_str()),
        ("referee", expect)
    );
    let (_, prompt) = ask(&json!({"partial_credit": true})).expect("a question");
    assert!(prompt.messages[0].text().contains("`GRADE: P`"));
}

#[test]
fn the_last_grade_counts() {
    let check = |params: Json, reply: &str, name: &str, value: Value| {
        let score = judge(&params, reply).expect("a score");
        assert_eq!((score.name.as_str(), score.value), (name, value), "{reply}");
    };
    check(
        json!({}),
        "GRADE: I? No.\nGRADE: C",
        "correct",
        Value::Boolean(true),
    );
    check(
        json!({}),
        "**Grade:\u{200b} incorrect**",
        "correct",
        Value::Boolean(false),
    );
    check(
        json!({"partial_credit": true}),
        "GRADE: P",
        "grade",
        Value::Number(0.5),
    );
    check(
        json!({"partial_credit": true}),
        "GRADE: C",
        "grade",
        Value::Number(1.0),
    );
    check(
        json!({"instructions": "x"}),
        "GRADE: Cx\nGRADE: none",
        "correct",
        Value::Boolean(true),
    );
    check(
        json!({"grade_pattern": r"verdict=(\w)"}),
        "verdict=I GRADE: C",
        "correct",
        Value::Boolean(false),
    );
}

#[test]
fn a_reply_without_a_grade_is_refused_with_its_end() {
    let check = |params: Json, reply: &str| {
        let refusal = judge(&params, reply).expect_err(reply);
        assert!(matches!(refusal, Refusal::BadInput(_)), "{refusal:?}");
        assert!(refusal.message().ends_with(&end(reply)), "{refusal:?}");
    };
    check(json!({}), "I cannot say");
    check(json!({}), "GRADE: P");
    check(json!({}), "GRADE: C\nGRADE: none");
    check(json!({}), "downgrade: C");
    check(json!({}), "");
    check(json!({"instructions": "x"}), "GRADE: P");
    check(json!({"grade_pattern": r"verdict=(\w)"}), "GRADE: C");
}

#[test]
fn parameters_that_make_no_sense_are_refused_before_the_judge_is_paid() {
    let check = |params: Json, expect: &str| {
        let refusal = ask(&params).expect_err("it is refused");
        assert!(matches!(refusal, Refusal::BadParams(_)), "{refusal:?}");
        assert!(refusal.message().starts_with(expect), "{refusal:?}");
    };
    check(
        json!({"grade_pattern": "("}),
        "`grade_pattern`: unclosed group",
    );
    check(json!({"template": "{% if %}"}), "`template`, line 1");
    check(json!({"model": ""}), "`model` is empty");
}

#[test]
fn grades_agree_with_inspect() {
    scorer_text::replay::check::<ModelGraded>("model-graded");
}
