//! Batch files, joined whatever their order, and what has no partner.

use super::read;
use crate::foreign::{At, Found, Item, Left, Why};
use std::path::PathBuf;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("room");
        path
    }

    fn read(&self, requests: &str, results: &[&str]) -> (Vec<Found>, Vec<Left>) {
        let requests = self.write("requests", requests);
        let results = results.iter().enumerate();
        let results: Vec<_> = results
            .map(|(at, text)| self.write(&format!("results-{at}"), text))
            .collect();
        let (mut found, mut left) = (Vec::new(), Vec::new());
        read(&[requests], &results, &mut |item| {
            match item {
                Item::Found(one) => found.push(*one),
                Item::Left(one) => left.push(one),
            }
            Ok(())
        })
        .expect("they are read");
        found.sort_by_key(|one| one.order);
        (found, left)
    }
}

fn request(name: &str, body: &str) -> String {
    format!(
        "{{\"custom_id\": \"{name}\", \"method\": \"POST\", \"url\": \"/v1/chat/completions\", \"body\": {body}}}\n"
    )
}

fn answer(name: &str, body: &str) -> String {
    format!(
        "{{\"id\":\"r\",\"custom_id\":\"{name}\",\"response\":{{\"status_code\":200,\"body\":{body}}},\"error\":null}}\n"
    )
}

fn reasons(left: &[Left]) -> Vec<(Why, At)> {
    let mut reasons: Vec<_> = left
        .iter()
        .map(|one| (one.why, one.place.at.clone()))
        .collect();
    reasons.sort_by_key(|(why, at)| (*why, format!("{at:?}")));
    reasons
}

#[test]
fn results_meet_their_requests_in_any_order_and_out_of_several_files() {
    let files = Files::new();
    let requests: String = (0..500)
        .map(|n| request(&n.to_string(), &n.to_string()))
        .collect();
    let (even, odd): (Vec<i32>, Vec<i32>) = (0..500).rev().partition(|n| n % 2 == 0);
    let answers = |numbers: &[i32]| -> String {
        let lines = numbers
            .iter()
            .map(|n| answer(&n.to_string(), &format!("{{\"n\": {n}}}")));
        lines.collect()
    };
    let (found, left) = files.read(&requests, &[&answers(&even), &answers(&odd)]);
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(found.len(), 500);
    for (n, one) in found.iter().enumerate() {
        assert_eq!(one.request, n.to_string());
        assert_eq!(
            one.response,
            format!("{{\"n\": {n}}}"),
            "as it stands in its line"
        );
        assert_eq!(one.place.at, At::Line(n as u64 + 1));
    }
}

#[test]
fn what_has_no_answer_is_told_at_its_line() {
    let files = Files::new();
    let requests = ["1", "2", "3", "3", "4", "5", "6"]
        .map(|name| request(name, "{}"))
        .concat();
    let requests = requests + &request("7", "{}").replace("chat/completions", "responses") + "{\n";
    let failed = "{\"custom_id\":\"1\",\"response\":null,\"error\":{\"code\":\"batch_expired\"}}\n";
    let refused = answer("2", "{\"error\":{}}").replace("200", "400");
    let results = [
        failed,
        &refused,
        &answer("3", "{}"),
        &answer("4", "{}"),
        &answer("4", "{}"),
        &answer("unknown", "{}"),
        &answer("7", "{}"),
        "{\"custom_id\":\"6\"}\n",
    ];
    let (found, left) = files.read(&requests, &[&results.concat()]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].place.at, At::Line(5));
    let expected = [
        (Why::Damaged, At::Line(8)),
        (Why::Damaged, At::Line(9)),
        (Why::Failed, At::Line(1)),
        (Why::Failed, At::Line(2)),
        (Why::NoResult, At::Line(6)),
        (Why::NoRequest, At::Line(6)),
        (Why::Twice, At::Line(3)),
        (Why::Twice, At::Line(5)),
        (Why::OtherApi, At::Line(8)),
    ];
    assert_eq!(reasons(&left), expected);
}

#[test]
fn an_answer_after_an_error_counts_and_the_error_is_not_told() {
    let files = Files::new();
    let failed = "{\"custom_id\":\"1\",\"error\":{}}\n";
    let (found, left) = files.read(&request("1", "{}"), &[failed, &answer("1", "{}")]);
    assert_eq!((found.len(), left.len()), (1, 0));
}

#[test]
fn anthropics_requests_are_lines_or_one_document() {
    let files = Files::new();
    let result =
        |name: &str, result: &str| format!("{{\"custom_id\":\"{name}\",\"result\":{result}}}\n");
    let results = [
        result("b", r#"{"type":"errored","error":{"type":"error"}}"#),
        result("a", r#"{"type":"succeeded","message":{"type":"message"}}"#),
        result("c", r#"{"type":"expired"}"#),
    ]
    .concat();
    let params =
        |name: &str| format!("{{\"custom_id\": \"{name}\",\n \"params\": {{\"model\": \"m\"}}}}");
    let document = format!(
        "{{\n  \"requests\": [{}, {}, {}]}}\n",
        params("a"),
        params("b"),
        params("c")
    );
    let lines = ["a", "b", "c"]
        .map(|name| params(name).replace('\n', "") + "\n")
        .concat();
    for requests in [document, lines] {
        let (found, left) = files.read(&requests, &[&results]);
        assert_eq!(found.len(), 1, "{left:?}");
        assert_eq!(found[0].request.replace(' ', ""), r#"{"model":"m"}"#);
        assert_eq!(found[0].response, r#"{"type":"message"}"#);
        assert_eq!(reasons(&left).len(), 2);
    }
    let (found, left) = files.read("{\"requests\": [{\"custom_id\":", &[&results]);
    assert!(found.is_empty());
    assert!(
        left.iter()
            .any(|one| (one.why, &one.place.at) == (Why::Damaged, &At::File)),
        "{left:?}"
    );
}
