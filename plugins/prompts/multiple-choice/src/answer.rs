//! Which letters a model gave. Needed where the choices were shuffled, to map them back.

/// The places that the model's text names, of `count`; empty where it names none, or where it names what is no choice.
/// What counts is the last `ANSWER:`; a text that is nothing but letters counts too.
pub fn letters(text: &str, count: usize, multiple: bool) -> Vec<usize> {
    let places = match text.lines().rev().find_map(after_answer) {
        Some(answer) => listed(answer, count).0,
        None => match listed(text, count) {
            (places, "") => places,
            _ => Vec::new(),
        },
    };
    match (places.len(), multiple) {
        (0, _) | (2.., false) => Vec::new(),
        (_, true) | (1, false) => places,
    }
}

/// What follows the last `ANSWER:` of a line, whatever the case and the decoration.
fn after_answer(line: &str) -> Option<&str> {
    let start = line.to_ascii_lowercase().rfind("answer")? + "answer".len();
    let rest = line[start..].trim_start_matches([' ', '*', '_', '`']);
    rest.strip_prefix(':')
}

/// The letters of a list such as `B`, `(b)`, `A, C`, `A and C` or `B) because it is so`, each once, and the word that ends
/// the list.
fn listed(text: &str, count: usize) -> (Vec<usize>, &str) {
    let mut places = Vec::new();
    for word in text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        match (place(word, count), word) {
            (Some(place), _) if !places.contains(&place) => places.push(place),
            (Some(_), _) | (None, "and" | "boxed" | "text") => {}
            (None, _) => return (places, word),
        }
    }
    (places, "")
}

fn place(word: &str, count: usize) -> Option<usize> {
    let &[letter] = word.as_bytes() else {
        return None;
    };
    let place = usize::from(letter.to_ascii_uppercase().checked_sub(b'A')?);
    (place < count).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_letter_is_read_from_what_models_write() {
        let check =
            |text: &str, expect: &[usize]| assert_eq!(letters(text, 4, false), expect, "{text}");
        check("ANSWER: B", &[1]);
        check("It is A.\n\n**ANSWER: C**\n", &[2]);
        check("**Answer:** (d)", &[3]);
        check("ANSWER: $\\boxed{\\text{B}}$", &[1]);
        check("ANSWER: A\nOn reflection:\nANSWER: B", &[1]);
        check("ANSWER: B) because it is so", &[1]);
        check("the final answer : `C`.", &[2]);
        check("(B)", &[1]);
        check("b", &[1]);
        check("ANSWER: E", &[]);
        check("ANSWER: Berlin", &[]);
        check("ANSWER: A, B", &[]);
        check("The answer is unclear", &[]);
        check("Answer", &[]);
        check("réponse : ANSWER:", &[]);
        check("A red one", &[]);
        check("", &[]);
    }

    #[test]
    fn several_letters_are_read_where_several_may_be_right() {
        let check =
            |text: &str, expect: &[usize]| assert_eq!(letters(text, 4, true), expect, "{text}");
        check("ANSWER: A,C", &[0, 2]);
        check("ANSWER: D and A", &[3, 0]);
        check("**ANSWER: [B, B]**", &[1]);
        check("ANSWER: A, E", &[0]);
    }
}
