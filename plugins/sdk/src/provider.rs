//! What a provider implements.

pub use crate::bindings::provider::exports::xhost::plugin::provider::{
    Allowance, Auth, BatchLimits, Dimension, Fault, FaultKind, Header, HttpRequest, HttpResponse,
    Method, Profile,
};
use crate::{Body, Completion, Prompt, Refusal};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Speaks one model API as data. Export it with [`crate::export_provider!`].
pub trait Provider {
    /// What the experiment may set. Derive `Deserialize` with `deny_unknown_fields`, so that a typing error is found.
    type Params: DeserializeOwned + JsonSchema;

    /// What the host must know to speak for the plugin. Called once for each config, before anything is sent.
    ///
    /// # Errors
    /// The plugin's own no.
    fn describe(params: Self::Params) -> Result<Profile, Refusal>;

    /// The request for one completion: what the experiment sets and nothing else.
    ///
    /// # Errors
    /// The plugin's own no.
    fn encode(params: Self::Params, model: String, prompt: Prompt) -> Result<HttpRequest, Refusal>;

    /// Reads the body of a successful answer, fresh or stored. A body that is no JSON never gets here.
    ///
    /// # Errors
    /// What is wrong with it.
    fn decode(params: Self::Params, body: Value) -> Result<Completion, Fault>;

    /// Reads an answer whose status is not 2xx.
    fn diagnose(params: Self::Params, response: HttpResponse) -> Fault;

    /// Reads the rate limits from an answer's headers; empty where there are none.
    fn allowances(headers: Vec<Header>) -> Vec<Allowance>;
}

impl Header {
    /// A header; its name in lower case.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Header {
        Header {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// The value of the first header of that name, given in lower case.
#[must_use]
pub fn header_value<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value.trim())
}

impl HttpRequest {
    /// A GET.
    pub fn get(path: impl Into<String>) -> HttpRequest {
        HttpRequest {
            method: Method::Get,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// A POST of this JSON.
    pub fn post(path: impl Into<String>, body: &Body) -> HttpRequest {
        HttpRequest {
            method: Method::Post,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Some(body.to_string()),
        }
    }
}

impl HttpRequest {
    /// The same without a body.
    #[must_use]
    pub fn bare(mut self) -> HttpRequest {
        self.body = None;
        self
    }
}

/// Makes a component of a type that implements [`Provider`]. Natively it only checks that the type does.
#[macro_export]
macro_rules! export_provider {
    ($plugin:ty) => {
        const _: fn() -> String = $crate::glue::provider::schema::<$plugin>;

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Component;

            $crate::provider_guest!($plugin, Component);

            $crate::glue::provider_bindings::export_provider_bindings!(Component with_types_in $crate::glue::provider_bindings);
        };
    };
}

/// The contract's functions of a provider, on a type of the macro's own.
#[doc(hidden)]
#[macro_export]
macro_rules! provider_guest {
    ($plugin:ty, $component:ident) => {
        impl $crate::glue::provider::Guest for $component {
            fn schema() -> String {
                $crate::glue::provider::schema::<$plugin>()
            }

            fn describe(params: String) -> Result<$crate::Profile, $crate::Refusal> {
                $crate::glue::provider::describe::<$plugin>(&params)
            }

            fn encode(
                params: String,
                model: String,
                prompt: $crate::Prompt,
            ) -> Result<$crate::HttpRequest, $crate::Refusal> {
                $crate::glue::provider::encode::<$plugin>(&params, model, prompt)
            }

            fn decode(params: String, body: String) -> Result<$crate::Completion, $crate::Fault> {
                $crate::glue::provider::decode::<$plugin>(&params, &body)
            }

            fn diagnose(params: String, response: $crate::HttpResponse) -> $crate::Fault {
                $crate::glue::provider::diagnose::<$plugin>(&params, response)
            }

            fn allowances(headers: Vec<$crate::Header>) -> Vec<$crate::Allowance> {
                <$plugin as $crate::Provider>::allowances(headers)
            }
        }
    };
}

pub mod glue {
    //! The way from the contract's functions to the plugin's.

    use super::{Fault, FaultKind, HttpRequest, HttpResponse, Profile, Provider};
    pub use crate::bindings::provider::exports::xhost::plugin::provider::Guest;
    use crate::{Completion, Prompt, Refusal, params};

    /// The schema of the plugin's parameters.
    pub fn schema<P: Provider>() -> String {
        params::schema::<P::Params>()
    }

    /// `describe`, its parameters read.
    pub fn describe<P: Provider>(params: &str) -> Result<Profile, Refusal> {
        P::describe(read::<P>(params)?)
    }

    /// `encode`, its parameters read.
    pub fn encode<P: Provider>(
        params: &str,
        model: String,
        prompt: Prompt,
    ) -> Result<HttpRequest, Refusal> {
        P::encode(read::<P>(params)?, model, prompt)
    }

    /// `decode`, its parameters and the body read.
    pub fn decode<P: Provider>(params: &str, body: &str) -> Result<Completion, Fault> {
        let params = read::<P>(params).map_err(|refusal| Fault::malformed(refusal.message()))?;
        let body = serde_json::from_str(body)
            .map_err(|e| Fault::malformed(format!("the answer is not JSON: {e}")))?;
        P::decode(params, body)
    }

    /// `diagnose`, its parameters read.
    pub fn diagnose<P: Provider>(params: &str, response: HttpResponse) -> Fault {
        match read::<P>(params) {
            Ok(params) => P::diagnose(params, response),
            Err(refusal) => Fault::new(FaultKind::Rejected, refusal.message()),
        }
    }

    fn read<P: Provider>(params: &str) -> Result<P::Params, Refusal> {
        params::read(params).map_err(Refusal::BadParams)
    }
}
