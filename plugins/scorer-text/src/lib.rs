//! What several scorers share: text and numbers as Python takes them. Inspect's verdicts depend on it, down to which
//! character is a space and what `float` reads; the scorers here are to give the same verdicts.

/// Characters: spaces, word characters, punctuation, case.
pub mod chars;

/// What Python's `float` reads.
pub mod number;

/// The values of single characters that are numbers.
pub mod numerals;

/// The normalisation by which questions of SQuAD are judged, as Inspect does it.
pub mod squad;

/// Regular expressions in Python's syntax.
#[cfg(feature = "pattern")]
pub mod pattern;

/// The rows of `cases.jsonl`, for tests.
#[cfg(feature = "replay")]
pub mod replay;

/// Targets, and what goes into a score.
pub mod subject;
