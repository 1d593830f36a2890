//! The conversation that the parameters describe, and how far a trial has come in it.

use crate::params::Params;
use serde::Deserialize;
use serde_json::{Map, Value};
use xhost_plugin::template::{Scope, Template};
use xhost_plugin::{Exchange, Message, Prompt, Refusal, Role, Sample};

/// All templates compiled, so that an error in one that is used late is found before anything is paid for.
pub struct Conversation {
    system: Option<Template>,
    examples: Vec<Message>,
    messages_field: Option<String>,
    user: Option<Template>,
    follow_ups: Vec<Template>,
}

impl Conversation {
    pub fn new(params: Params) -> Result<Conversation, Refusal> {
        if params.user.is_none() && params.messages_field.is_none() {
            return Err(Refusal::bad_params(
                "`user` is null: set `messages_field`, or nothing is asked",
            ));
        }
        let compiled = |name: &str, source: Option<&String>| {
            source.map(|text| Template::new(name, text)).transpose()
        };
        let follow_ups = params.follow_ups.iter().enumerate();
        Ok(Conversation {
            system: compiled("system", params.system.as_ref())?,
            user: compiled("user", params.user.as_ref())?,
            examples: examples(&params)?,
            follow_ups: follow_ups
                .map(|(index, text)| Template::new(format!("follow_ups[{index}]"), text))
                .collect::<Result<_, _>>()?,
            messages_field: params.messages_field,
        })
    }

    /// The next prompt; `None` once all is asked.
    pub fn prompt(&self, sample: &Sample, asked: &[Exchange]) -> Result<Option<Prompt>, Refusal> {
        if asked.len() > self.follow_ups.len() {
            return Ok(None);
        }
        let mut scope = sample.scope();
        let mut messages = self.opening(sample, &scope)?;
        for (index, (exchange, follow_up)) in asked.iter().zip(&self.follow_ups).enumerate() {
            messages.push(exchange.completion.message());
            let answers = asked[..=index]
                .iter()
                .map(|earlier| Value::from(earlier.text()));
            scope.insert("answers".into(), answers.collect());
            messages.push(Message::user(follow_up.render(&scope)?));
        }
        Ok(Some(Prompt::new(messages)))
    }

    /// Everything up to the first question.
    fn opening(&self, sample: &Sample, scope: &Scope) -> Result<Vec<Message>, Refusal> {
        let mut messages = Vec::new();
        if let Some(system) = &self.system {
            messages.push(Message::system(system.render(scope)?));
        }
        messages.extend(self.examples.iter().cloned());
        if let Some(field) = &self.messages_field {
            messages.extend(earlier_messages(sample, field)?);
        }
        if let Some(user) = &self.user {
            messages.push(Message::user(user.render(scope)?));
        }
        Ok(messages)
    }
}

fn examples(params: &Params) -> Result<Vec<Message>, Refusal> {
    if params.examples.is_empty() && params.shots.is_none() {
        return Ok(Vec::new());
    }
    let user = Template::new("example_user", &params.example_user)?;
    let assistant = Template::new("example_assistant", &params.example_assistant)?;
    let (shots, known) = (
        params.shots.unwrap_or(params.examples.len()),
        params.examples.len(),
    );
    if shots > known {
        return Err(Refusal::bad_params(format!(
            "`shots` is {shots}, but `examples` has {known}"
        )));
    }
    let mut messages = Vec::with_capacity(2 * shots);
    for (index, row) in params.examples.iter().take(shots).enumerate() {
        let scope = example_scope(row);
        let rendered = |template: &Template| {
            let refused = |refusal: Refusal| {
                Refusal::bad_params(format!("examples[{index}]: {}", refusal.message()))
            };
            template.render(&scope).map_err(refused)
        };
        messages.push(Message::user(rendered(&user)?));
        messages.push(Message::assistant(rendered(&assistant)?));
    }
    Ok(messages)
}

/// An example's fields by name. As in a sample, `target` is the first where there are several.
fn example_scope(row: &Map<String, Value>) -> Scope {
    let mut scope = row.clone();
    let targets = row.get("targets").or_else(|| row.get("target"));
    let targets = match targets {
        Some(Value::Array(targets)) => targets.clone(),
        Some(target) => vec![target.clone()],
        None => Vec::new(),
    };
    if let Some(target) = targets.first() {
        scope.insert("target".into(), target.clone());
    }
    scope.insert("targets".into(), targets.into());
    scope.insert("row".into(), Value::Object(row.clone()));
    scope
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Earlier {
    role: EarlierRole,
    content: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum EarlierRole {
    System,
    User,
    Assistant,
}

fn earlier_messages(sample: &Sample, field: &str) -> Result<Vec<Message>, Refusal> {
    let value = sample.required(field)?;
    let earlier: Vec<Earlier> = serde_json::from_value(value).map_err(|e| {
        Refusal::bad_input(format!(
            "the field `{field}` is no list of {{\"role\", \"content\"}} messages: {e}"
        ))
    })?;
    Ok(earlier.into_iter().map(Earlier::message).collect())
}

impl Earlier {
    fn message(self) -> Message {
        let role = match self.role {
            EarlierRole::System => Role::System,
            EarlierRole::User => Role::User,
            EarlierRole::Assistant => Role::Assistant,
        };
        Message::new(role, self.content)
    }
}
