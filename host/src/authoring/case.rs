//! Cases as written, a JSON object a line: what a plugin is given, and what it should say. `plugins/README.md` has the
//! keys. What is left out is empty; a key that nobody reads is an error.

use crate::plugin::Kind;
use crate::plugin::bindings::{provider, scorer};
use crate::plugin::types::{
    Message, Part, Prompt, Role, Sample, Sampling, Tool, ToolCall, ToolResult,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// A case.
pub struct Case {
    /// For a person.
    pub name: String,
    /// Where it stands, from 1.
    pub line: usize,
    /// As it was written.
    pub(super) written: Map<String, Value>,
    pub(super) params: Arc<String>,
    pub(super) given: Given,
    /// What models answer, in the order in which they are asked.
    pub(super) replies: Vec<String>,
    pub(super) expect: Option<Value>,
}

/// What the plugin is called with.
pub(super) enum Given {
    Subject(Arc<scorer::Subject>),
    Sample(Arc<Sample>),
    Describe,
    Encode {
        model: Arc<str>,
        prompt: Arc<Prompt>,
    },
    Decode {
        body: Arc<String>,
    },
    Diagnose {
        response: provider::HttpResponse,
    },
}

/// A case cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct CaseError {
    /// From 1.
    line: usize,
    /// What is wrong.
    what: String,
}

/// Reads cases for a plugin of this kind.
///
/// # Errors
/// The line, and what is wrong with it.
pub fn read(kind: Kind, text: &str) -> Result<Vec<Case>, CaseError> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            let failed = |what: String| CaseError {
                line: index + 1,
                what,
            };
            let written: Map<String, Value> =
                serde_json::from_str(line).map_err(|e| failed(e.to_string()))?;
            case(kind, index + 1, written).map_err(failed)
        })
        .collect()
}

fn case(kind: Kind, line: usize, written: Map<String, Value>) -> Result<Case, String> {
    let value = Value::Object(written.clone());
    let all: Written = serde_json::from_value(value).map_err(|e| e.to_string())?;
    let name = all.name.clone().unwrap_or_else(|| format!("case {line}"));
    let (params, replies, expect) = (
        Arc::new(Value::Object(all.params.clone()).to_string()),
        all.replies.clone(),
        all.expect.clone(),
    );
    let given = match kind {
        Kind::Scorer => all.subject(line)?,
        Kind::PromptBuilder => {
            all.refuse(&all.answer, "answer")?;
            Given::Sample(Arc::new(all.sample(line)))
        }
        Kind::Provider => all.provider()?,
    };
    Ok(Case {
        name,
        line,
        written,
        params,
        given,
        replies,
        expect,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<String>,
    #[serde(default)]
    params: Map<String, Value>,
    // A row, for scorers and prompt builders.
    id: Option<String>,
    input: Option<String>,
    target: Option<String>,
    targets: Option<Vec<String>>,
    #[serde(default)]
    fields: Map<String, Value>,
    answer: Option<String>,
    #[serde(default)]
    replies: Vec<String>,
    // For providers.
    call: Option<String>,
    model: Option<String>,
    prompt: Option<WrittenPrompt>,
    body: Option<Value>,
    status: Option<u16>,
    #[serde(default)]
    headers: Map<String, Value>,
    expect: Option<Value>,
}

impl Written {
    fn sample(&self, line: usize) -> Sample {
        let targets = self.targets.clone();
        Sample {
            id: self.id.clone().unwrap_or_else(|| line.to_string()),
            input: self.input.clone().unwrap_or_default(),
            targets: targets.unwrap_or_else(|| self.target.clone().into_iter().collect()),
            fields: Value::Object(self.fields.clone()).to_string(),
        }
    }

    fn subject(&self, line: usize) -> Result<Given, String> {
        let answer = self.answer.clone();
        let answer = answer.ok_or("a case of a scorer needs `answer`, what the model said")?;
        Ok(Given::Subject(Arc::new(scorer::Subject {
            sample: self.sample(line),
            answer,
            exchanges: Vec::new(),
        })))
    }

    /// Keys that this kind of plugin never sees would be written in vain.
    fn refuse<T>(&self, value: &Option<T>, key: &str) -> Result<(), String> {
        match value {
            Some(_) => Err(format!("`{key}` means nothing here")),
            None => Ok(()),
        }
    }

    fn provider(self) -> Result<Given, String> {
        let body = |body: Option<Value>| match body {
            Some(Value::String(text)) => text,
            Some(value) => value.to_string(),
            None => String::new(),
        };
        match self.call.as_deref() {
            Some("describe") => Ok(Given::Describe),
            Some("encode") => Ok(Given::Encode {
                model: Arc::from(self.model.as_deref().unwrap_or("model")),
                prompt: Arc::new(self.prompt.ok_or("`encode` needs `prompt`")?.prompt()?),
            }),
            Some("decode") => Ok(Given::Decode {
                body: Arc::new(body(self.body)),
            }),
            Some("diagnose") => Ok(Given::Diagnose {
                response: provider::HttpResponse {
                    status: self.status.ok_or("`diagnose` needs `status`")?,
                    headers: self.headers.into_iter().map(header).collect(),
                    body: body(self.body),
                },
            }),
            _ => Err(
                "a case of a provider needs `call`: describe, encode, decode or diagnose".into(),
            ),
        }
    }
}

fn header((name, value): (String, Value)) -> provider::Header {
    let value = match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    provider::Header { name, value }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPrompt {
    messages: Vec<WrittenMessage>,
    #[serde(default)]
    tools: Vec<WrittenTool>,
    #[serde(default)]
    sampling: WrittenSampling,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMessage {
    role: String,
    text: Option<String>,
    #[serde(default)]
    parts: Vec<WrittenPart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum WrittenPart {
    Text(String),
    Reasoning(String),
    ToolCall {
        id: String,
        name: String,
        arguments: Value,
    },
    ToolResult {
        call_id: String,
        text: String,
        #[serde(default)]
        is_error: bool,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTool {
    name: String,
    #[serde(default)]
    description: String,
    parameters: Value,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenSampling {
    max_tokens: Option<u32>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    stop: Vec<String>,
    seed: Option<i64>,
    response_schema: Option<Value>,
    extra: Option<Value>,
}

impl WrittenPrompt {
    fn prompt(self) -> Result<Prompt, String> {
        let tool = |tool: WrittenTool| Tool {
            name: tool.name,
            description: tool.description,
            parameters: tool.parameters.to_string(),
        };
        let messages: Result<_, String> = self.messages.into_iter().map(message).collect();
        let sampling = self.sampling;
        Ok(Prompt {
            messages: messages?,
            tools: self.tools.into_iter().map(tool).collect(),
            sampling: Sampling {
                max_tokens: sampling.max_tokens,
                temperature: sampling.temperature,
                top_p: sampling.top_p,
                stop: sampling.stop,
                seed: sampling.seed,
                response_schema: sampling.response_schema.map(|schema| schema.to_string()),
                extra: sampling.extra.map(|extra| extra.to_string()),
            },
        })
    }
}

fn message(written: WrittenMessage) -> Result<Message, String> {
    let role = match written.role.as_str() {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        other => return Err(format!("there is no role `{other}`")),
    };
    let text = written.text.map(Part::Text);
    let parts = written.parts.into_iter().map(|part| match part {
        WrittenPart::Text(text) => Part::Text(text),
        WrittenPart::Reasoning(text) => Part::Reasoning(text),
        WrittenPart::ToolCall {
            id,
            name,
            arguments,
        } => Part::ToolCall(ToolCall {
            id,
            name,
            arguments: arguments.to_string(),
        }),
        WrittenPart::ToolResult {
            call_id,
            text,
            is_error,
        } => Part::ToolResult(ToolResult {
            call_id,
            text,
            is_error,
        }),
    });
    Ok(Message {
        role,
        parts: text.into_iter().chain(parts).collect(),
    })
}
