//! The JSON in an answer: all of it, or a fenced block.

use crate::From;
use serde_json::Value;

/// The document.
///
/// # Errors
/// Why there is none, for a person.
pub fn document(answer: &str, from: From) -> Result<Value, String> {
    match from {
        From::Whole => parse(answer),
        From::Fenced => fenced(answer),
        From::Auto => parse(answer).or_else(|whole| match block(answer) {
            Some(_) => fenced(answer),
            None => Err(whole),
        }),
    }
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text.trim()).map_err(|error| format!("it is not JSON: {error}"))
}

fn fenced(answer: &str) -> Result<Value, String> {
    parse(block(answer).ok_or("there is no fenced block")?)
}

/// The last block that is marked as JSON, or else the last that is not marked.
fn block(answer: &str) -> Option<&str> {
    let (mut marked, mut unmarked) = (None, None);
    let mut open: Option<(&str, usize)> = None;
    let mut at = 0;
    for line in answer.split_inclusive('\n') {
        let fence = line.trim().strip_prefix("```");
        match (open, fence) {
            (None, Some(info)) => {
                open = Some((info.trim_start_matches('`').trim(), at + line.len()));
            }
            (Some((info, start)), Some(rest)) if rest.trim_matches('`').is_empty() => {
                let text = &answer[start..at];
                match info {
                    "" => unmarked = Some(text),
                    info if info.eq_ignore_ascii_case("json") => marked = Some(text),
                    _ => {}
                }
                open = None;
            }
            (None, None) | (Some(_), _) => {}
        }
        at += line.len();
    }
    marked.or(unmarked)
}
