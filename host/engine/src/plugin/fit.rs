//! Whether a component's functions have the types of the contract. wasmtime finds a misfit only when the function is called,
//! and without its name; a plugin that was built against other types is refused when it is loaded, with the name.

use super::bindings::types::{Completion, Exchange, Prompt, Refusal, Sample};
use super::bindings::{batch, prompt_builder, provider, scorer};
use super::inspect::{API_VERSION, Kind, Role};
use wasmtime::component::types::{self, ComponentItem};
use wasmtime::component::{Component, ComponentNamedList, Lift, Lower};

type Answer<T> = (Result<T, Refusal>,);

/// Checks every function of the plugin's kind.
///
/// # Errors
/// The first function that is missing or has other types.
pub(super) fn check(
    engine: &wasmtime::Engine,
    component: &Component,
    role: Role,
) -> Result<(), String> {
    let component = component.component_type();
    let interface = |name| Interface::of(engine, &component, name);
    match role.kind {
        Kind::PromptBuilder => prompt_builder_fits(&interface("prompt-builder")?),
        Kind::Scorer => scorer_fits(&interface("scorer")?),
        Kind::Provider => provider_fits(&interface("provider")?),
    }?;
    match role.batch {
        true => batch_fits(&interface("batch")?),
        false => Ok(()),
    }
}

fn prompt_builder_fits(exports: &Interface) -> Result<(), String> {
    exports.has::<(), (String,)>("schema")?;
    exports.has::<(&str, &Sample, &[Exchange]), Answer<prompt_builder::Step>>("next")
}

fn scorer_fits(exports: &Interface) -> Result<(), String> {
    exports.has::<(), (String,)>("schema")?;
    exports.has::<(&str, &scorer::Subject, &[Exchange]), Answer<scorer::Step>>("judge")
}

fn provider_fits(exports: &Interface) -> Result<(), String> {
    use provider::{Allowance, Fault, Header, HttpRequest, HttpResponse, Profile};
    exports.has::<(), (String,)>("schema")?;
    exports.has::<(&str,), Answer<Profile>>("describe")?;
    exports.has::<(&str, &str, &Prompt), Answer<HttpRequest>>("encode")?;
    exports.has::<(&str, &str), (Result<Completion, Fault>,)>("decode")?;
    exports.has::<(&str, &HttpResponse), (Fault,)>("diagnose")?;
    exports.has::<(&[Header],), (Vec<Allowance>,)>("allowances")
}

fn batch_fits(exports: &Interface) -> Result<(), String> {
    use batch::{Answer, Envelope, Page, RequestLine, State, Submission, SubmitStep};
    use provider::{Fault, HttpRequest, HttpResponse};
    type Lines<'a> = (&'a str, &'a str, &'a [RequestLine]);
    exports.has::<(&str, &str), (Envelope,)>("frame")?;
    exports.has::<Lines, (Vec<String>,)>("lines")?;
    exports.has::<(&str, &Submission, &[HttpResponse]), (SubmitStep,)>("submit")?;
    exports.has::<(&str, &str), (HttpRequest,)>("poll")?;
    exports.has::<(&str, &str, &HttpResponse), (State,)>("read-poll")?;
    exports.has::<(&str, &[String]), (Vec<Result<Answer, Fault>>,)>("read-lines")?;
    exports.has::<(&str, Option<&str>), (HttpRequest,)>("list-page")?;
    exports.has::<(&str, &HttpResponse), (Result<Page, Fault>,)>("read-page")?;
    exports.has::<(&str, &str), (HttpRequest,)>("cancel")
}

/// An interface as a component exports it.
struct Interface<'a> {
    component: &'a types::Component,
    functions: Vec<(String, types::ComponentFunc)>,
}

impl<'a> Interface<'a> {
    fn of(
        engine: &wasmtime::Engine,
        component: &'a types::Component,
        name: &str,
    ) -> Result<Interface<'a>, String> {
        let full = format!("xhost:plugin/{name}@{API_VERSION}");
        let mut exports = component.exports(engine);
        let instance = exports.find_map(|(export, item)| match item.ty {
            ComponentItem::ComponentInstance(instance) if export == full => Some(instance),
            _ => None,
        });
        let instance = instance.ok_or_else(|| format!("`{full}` is no interface"))?;
        let functions = instance
            .exports(engine)
            .filter_map(|(name, item)| match item.ty {
                ComponentItem::ComponentFunc(function) => Some((name.to_owned(), function)),
                _ => None,
            });
        Ok(Interface {
            component,
            functions: functions.collect(),
        })
    }

    fn has<Params, Results>(&self, name: &str) -> Result<(), String>
    where
        Params: ComponentNamedList + Lower,
        Results: ComponentNamedList + Lift,
    {
        let found = self.functions.iter().find(|(known, _)| known == name);
        let (_, function) = found.ok_or_else(|| format!("its function `{name}` is missing"))?;
        function
            .typecheck::<Params, Results>(&self.component.instance_type())
            .map_err(|error| format!("its function `{name}` has other types: {error:#}"))
    }
}
