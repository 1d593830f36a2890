//! What an answer says: a reply within the limits that its request sets.

/// A reply as it is sent.
pub(super) struct Reply<'a> {
    /// Its text.
    pub text: &'a str,
    /// Why it ends there.
    pub end: End<'a>,
}

/// Why a reply ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End<'a> {
    /// It is whole.
    Done,
    /// The most tokens were reached.
    Length,
    /// This text would have come next.
    Stop(&'a str),
}

impl Reply<'_> {
    /// The tokens of its text.
    pub(super) fn tokens(&self) -> u64 {
        tokens(self.text)
    }
}

/// About four bytes are a token; an answer has at least one.
fn tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4).max(1)
}

/// The reply up to the first of the stop texts, and within its tokens.
pub(super) fn within<'a>(
    reply: &'a str,
    most_tokens: Option<u64>,
    stop: &'a [String],
) -> Reply<'a> {
    let places = stop.iter().filter(|text| !text.is_empty());
    let places = places.filter_map(|text| reply.find(text.as_str()).map(|at| (at, text.as_str())));
    let stopped = places.min_by_key(|(at, _)| *at);
    let (text, end) = match stopped {
        Some((at, text)) => (&reply[..at], End::Stop(text)),
        None => (reply, End::Done),
    };
    let most = most_tokens.map_or(usize::MAX, |tokens| (tokens as usize).saturating_mul(4));
    if text.len() <= most {
        return Reply { text, end };
    }
    let cut = (0..=most).rev().find(|end| text.is_char_boundary(*end));
    Reply {
        text: &text[..cut.unwrap_or(0)],
        end: End::Length,
    }
}

/// A sentence with a number in it, the same for the same request.
pub(super) fn made_up(digest: u128) -> String {
    const WORDS: [&str; 8] = [
        "probably", "surely", "roughly", "exactly", "about", "nearly", "at least", "at most",
    ];
    format!(
        "The answer is {} {}.",
        WORDS[(digest % 8) as usize],
        (digest >> 8) % 1_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_ends_at_what_comes_first() {
        let check = |most, stop: &[&str], text: &str, end: End<'_>| {
            let stop: Vec<String> = stop.iter().map(|text| (*text).to_owned()).collect();
            let reply = within("one, zwei, drü", most, &stop);
            assert_eq!((reply.text, reply.end), (text, end));
        };
        check(None, &[], "one, zwei, drü", End::Done);
        check(None, &["", ", d", "zwei"], "one, ", End::Stop("zwei"));
        check(Some(1), &["zwei"], "one,", End::Length);
        check(Some(2), &["zwei"], "one, ", End::Stop("zwei"));
        check(Some(0), &[], "", End::Length);
    }
}
