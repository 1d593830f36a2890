//! Files that parameters include by `{"$file": "NAME"}`: rows as a list, other text as text.

use super::files;
use super::rows;
use serde_json::Value;
use std::path::Path;

/// Examples are shown to a model, not streamed.
const ROWS: usize = 10_000;

/// The value that stands for a file.
///
/// # Errors
/// Why it cannot be read, in words.
pub fn read_included(path: &Path) -> Result<Value, String> {
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    match extension.as_str() {
        "jsonl" | "ndjson" | "csv" | "tsv" | "parquet" => read_rows(path),
        "json" => {
            let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
            serde_json::from_str(&text).map_err(|e| format!("it is not JSON: {e}"))
        }
        _ => std::fs::read_to_string(path)
            .map(Value::from)
            .map_err(|e| e.to_string()),
    }
}

fn read_rows(path: &Path) -> Result<Value, String> {
    let sources = files::sources(&[path.to_path_buf()], None).map_err(|e| e.to_string())?;
    let mut values = Vec::new();
    for row in sources.iter().flat_map(rows::read) {
        values.push(Value::Object(row.map_err(|e| e.to_string())?.fields));
        if values.len() > ROWS {
            return Err(format!("it has more than {ROWS} rows"));
        }
    }
    Ok(Value::from(values))
}
