//! What several providers share: how answers about batches are opened, how result lines are read, what a refusal of a part
//! says, and what is said about an error that explains nothing. Each API's own words stay in its plugin.

/// Ids, objects and instants as APIs write them.
pub mod answer;

/// Result lines of batches.
pub mod line;

/// What a request takes from a prompt.
pub mod request;

/// Errors that explain nothing.
pub mod failure;

/// Tool calls in OpenAI's form.
pub mod tool;
