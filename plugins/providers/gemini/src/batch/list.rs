//! The list of batches, in which one is looked for that may have been made.

use super::{is_name, number};
use crate::params::Params;
use provider_text::answer;
use serde_json::Value;
use xhost_plugin::{BatchPage, Fault, HttpRequest, HttpResponse, ListedBatch};

pub fn page(params: &Params, cursor: Option<String>) -> HttpRequest {
    let mut request = HttpRequest::get(params.path("batches"));
    request.query.push(("pageSize".into(), "100".into()));
    request
        .query
        .extend(cursor.map(|token| ("pageToken".into(), token)));
    request
}

pub fn read(response: &HttpResponse) -> Result<BatchPage, Fault> {
    let list = answer::object(response)?;
    let operations = list["operations"]
        .as_array()
        .or_else(|| list["batches"].as_array());
    // Protobuf's JSON leaves out what is empty.
    let operations = operations.map_or(&[][..], Vec::as_slice);
    let next = list["nextPageToken"]
        .as_str()
        .filter(|token| !token.is_empty());
    Ok(BatchPage {
        batches: operations.iter().filter_map(listed).collect(),
        next: next.map(str::to_owned),
    })
}

fn listed(operation: &Value) -> Option<ListedBatch> {
    let metadata = &operation["metadata"];
    let created = metadata["createTime"]
        .as_str()
        .or_else(|| operation["createTime"].as_str())?;
    let name = operation["name"]
        .as_str()
        .filter(|name| is_name(name, "batches"))?;
    Some(ListedBatch {
        id: name.to_owned(),
        mark: mark(metadata["displayName"].as_str()),
        created_at_ms: answer::instant_ms(created)?,
        total: number(&metadata["batchStats"]["requestCount"]),
    })
}

/// The mark, an empty one where it is another program's batch. An inline batch of ours has no room for one, and servers that
/// imitate the API may show no name at all: their results decide.
fn mark(name: Option<&str>) -> Option<String> {
    let name = name.filter(|name| *name != "xhost")?;
    Some(name.strip_prefix("xhost-").unwrap_or_default().to_owned())
}
