//! Templates in the experiment's parameters, for the plugins that take some: Jinja's language, with two differences that
//! evaluation needs. A name that is not there is an error, never an empty text; and nothing is escaped, `tojson` least.

use crate::{Refusal, Sample};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::{Map, Value};

/// The names that a template may use.
pub type Scope = Map<String, Value>;

/// One template.
#[derive(Debug)]
pub struct Template {
    name: String,
    environment: Environment<'static>,
}

impl Template {
    /// Compiles a template; `name` is the parameter that holds it.
    ///
    /// # Errors
    /// [`Refusal::BadParams`] with the line.
    pub fn new(name: impl Into<String>, source: &str) -> Result<Template, Refusal> {
        let name = name.into();
        let mut environment = match uses_words(source) {
            true => Environment::new(),
            false => Environment::empty(),
        };
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_debug(true);
        environment.add_filter("tojson", |value: minijinja::Value| {
            serde_json::to_string(&value)
                .map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))
        });
        match environment.add_template_owned(ONLY, source.to_owned()) {
            Ok(()) => Ok(Template { name, environment }),
            Err(error) => Err(Refusal::BadParams(located(&name, &error))),
        }
    }

    /// The text.
    ///
    /// # Errors
    /// [`Refusal::BadInput`] where the scope lacks what the template uses, with the names that there are;
    /// [`Refusal::BadParams`] where the template would fail for any scope.
    pub fn render(&self, scope: &Scope) -> Result<String, Refusal> {
        let template = self.environment.get_template(ONLY);
        template
            .and_then(|template| template.render(minijinja::value::Serde(scope)))
            .map_err(|error| self.refusal(&error, scope))
    }

    fn refusal(&self, error: &Error, scope: &Scope) -> Refusal {
        match error.kind() {
            ErrorKind::UndefinedError => Refusal::BadInput(self.undefined(error, scope)),
            ErrorKind::UnknownFilter
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod
            | ErrorKind::UnknownTest
            | ErrorKind::TooManyArguments
            | ErrorKind::MissingArgument => Refusal::BadParams(located(&self.name, error)),
            _ => Refusal::BadInput(located(&self.name, error)),
        }
    }

    fn undefined(&self, error: &Error, scope: &Scope) -> String {
        let names = scope
            .keys()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ");
        match self.culprit(error, scope) {
            Some(culprit) => format!(
                "`{}` uses `{culprit}`, which this row lacks; there are {names}",
                self.name
            ),
            None => format!("{}; there are {names}", located(&self.name, error)),
        }
    }

    /// The expression that is not there. An error within a filter points at the filter, which is not what is missing.
    fn culprit(&self, error: &Error, scope: &Scope) -> Option<String> {
        let place = error
            .range()
            .zip(error.template_source())
            .and_then(|(range, source)| source.get(range))?;
        let template = self.environment.get_template(ONLY).ok()?;
        let mut missing: Vec<_> = template.undeclared_variables(false).into_iter().collect();
        missing.retain(|name| !scope.contains_key(name));
        missing.sort_by_key(|name| template.source().find(name.as_str()));
        let is_word = place.chars().all(|c| c.is_alphanumeric() || c == '_');
        match missing.first() {
            Some(first) if is_word && !missing.iter().any(|name| name == place) => {
                Some(first.clone())
            }
            _ => Some(place.to_owned()),
        }
    }
}

/// Whether a template may use filters, tests or functions. Setting them all up costs more than rendering one without.
fn uses_words(source: &str) -> bool {
    let mut words = source.split(|c: char| !c.is_alphanumeric() && c != '_');
    source.contains(['|', '(']) || words.any(|word| matches!(word, "is" | "filter"))
}

/// A template's name within its own environment; its parameter's name is for a person.
const ONLY: &str = "template";

fn located(name: &str, error: &Error) -> String {
    let detail = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => format!("`{name}`, line {line} of the template: {detail}"),
        None => format!("`{name}`: {detail}"),
    }
}

impl Sample {
    /// What templates may say of a row: every field by its name, and, whatever the fields are called, `id`, `input`,
    /// `target` (the first; missing where there is none), `targets`, and `row`, the fields as one object.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let row = self.columns();
        let mut scope = row.clone();
        scope.insert("id".into(), self.id.clone().into());
        scope.insert("input".into(), self.input.clone().into());
        match self.targets.first() {
            Some(target) => scope.insert("target".into(), target.clone().into()),
            None => scope.shift_remove("target"),
        };
        scope.insert("targets".into(), self.targets.clone().into());
        scope.insert("row".into(), Value::Object(row));
        scope
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scope() -> Scope {
        let row = json!({"a b": [1, 2.5], "html": "<&'\">", "none": null, "yes": true, "deep": {"x": "y"}});
        Sample::new("7", "2 + 2?").target("4").row(&row).scope()
    }

    #[test]
    fn templates_say_what_the_row_says() {
        let check = |source: &str, expect: &str| {
            assert_eq!(
                Template::new("user", source)
                    .unwrap()
                    .render(&scope())
                    .as_deref(),
                Ok(expect),
                "{source}"
            );
        };
        check(
            "{{ id }}: {{ input }} {{ target }} {{ targets[0] }}",
            "7: 2 + 2? 4 4",
        );
        check(
            "{{ html }} {{ html | tojson }} {{ html ~ 1 }}",
            r#"<&'"> "<&'\">" <&'">1"#,
        );
        check(
            "{% for x in row['a b'] %}{{ loop.index }}={{ x }};{% endfor %}",
            "1=1;2=2.5;",
        );
        check(
            "{{ deep.x | upper }} {% if nope is defined %}a{% else %}b{% endif %}",
            "Y b",
        );
        check("{{ row | list | join(',') }}", "a b,html,none,yes,deep");
        check("{{ yes }} {{ none }}", "True None");
        check("line\n", "line");
        check("{{ nope | default('d') }}", "d");
    }

    #[test]
    fn a_name_that_is_not_there_is_an_error_with_those_that_are() {
        let check = |source: &str, expect: &str| {
            let refusal = Template::new("user", source)
                .unwrap()
                .render(&scope())
                .unwrap_err();
            assert!(matches!(refusal, Refusal::BadInput(_)), "{refusal:?}");
            assert!(
                refusal.message().starts_with(expect),
                "{source}: {}",
                refusal.message()
            );
        };
        let there = "there are `a b`, `html`, `none`, `yes`, `deep`, `id`, `input`, `target`, `targets`, `row`";
        check(
            "{{ quest }}",
            &format!("`user` uses `quest`, which this row lacks; {there}"),
        );
        check(
            "a\n{{ deep.z }}",
            "`user` uses `deep.z`, which this row lacks",
        );
        check(
            "{% for x in xs %}{% endfor %}",
            "`user` uses `xs`, which this row lacks",
        );
        check(
            "{% if nope %}{% endif %}",
            "`user` uses `nope`, which this row lacks",
        );
        check(
            "{{ nope | upper }}",
            "`user` uses `nope`, which this row lacks",
        );
        check(
            "{{ input + 1 }}",
            "`user`, line 1 of the template: tried to use + operator",
        );
    }

    #[test]
    fn a_template_that_never_works_is_a_matter_of_the_experiment() {
        let check = |source: &str, expect: &str| {
            let made = Template::new("system", source);
            let refusal = made
                .and_then(|template| template.render(&scope()))
                .unwrap_err();
            assert!(matches!(refusal, Refusal::BadParams(_)), "{refusal:?}");
            assert_eq!(refusal.message(), expect);
        };
        check(
            "a\n{% if %}",
            "`system`, line 2 of the template: unexpected end of block",
        );
        check(
            "{{ input | shout }}",
            "`system`, line 1 of the template: filter shout is unknown",
        );
        check(
            "{% include 'x' %}",
            "`system`, line 1 of the template: unknown statement include",
        );
    }

    #[test]
    fn a_row_without_targets_has_no_target_even_if_a_field_is_called_so() {
        let scope = Sample::new("1", "q").row(&json!({"target": "x"})).scope();
        assert_eq!(scope.get("target"), None);
        assert_eq!(scope["row"]["target"], "x");
    }
}
