//! Under which name a model stands in the table: by the server that is asked, because the same model costs something else
//! elsewhere. A server that is not known has no price, unless the user's own table names it.

use super::{Price, Table};

/// Servers, and what the table writes before their models' names.
const SERVERS: [(&str, &str); 12] = [
    ("api.openai.com", ""),
    ("api.anthropic.com", ""),
    ("api.groq.com", "groq/"),
    ("api.together.xyz", "together_ai/"),
    ("api.together.ai", "together_ai/"),
    ("api.mistral.ai", "mistral/"),
    ("api.deepseek.com", "deepseek/"),
    ("api.x.ai", "xai/"),
    ("api.fireworks.ai", "fireworks_ai/"),
    ("api.cerebras.ai", "cerebras/"),
    ("api.deepinfra.com", "deepinfra/"),
    ("generativelanguage.googleapis.com", "gemini/"),
];

/// Which model is asked where.
#[derive(Clone, Copy, Debug)]
pub struct Whereabouts<'w> {
    /// The name that the experiment gives the server, else its scheme, host and port.
    pub endpoint: &'w str,
    /// The server's host name.
    pub host: &'w str,
    /// The model.
    pub model: &'w str,
}

/// The model's name in the table, and its price; `None` where the table does not know it there.
#[must_use]
pub fn key(table: &Table, at: Whereabouts<'_>) -> Option<(String, Price)> {
    let own = format!("{}/{}", at.endpoint, at.model);
    let server = SERVERS
        .iter()
        .find(|(host, _)| *host == at.host)
        .map(|(_, prefix)| *prefix);
    let azure = at.host.ends_with(".openai.azure.com").then_some("azure/");
    let known = server
        .or(azure)
        .map(|prefix| match at.model.starts_with(prefix) {
            true => at.model.to_owned(),
            false => format!("{prefix}{}", at.model),
        });
    let mut names = [Some(own), known].into_iter().flatten();
    names.find_map(|name| table.price(&name).map(|price| (name, price)))
}
