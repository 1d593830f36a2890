//! tmp
struct P;
impl xhost_plugin::Provider for P {
    type Params = xhost_plugin::NoParams;
    fn describe(_: Self::Params) -> Result<xhost_plugin::Profile, xhost_plugin::Refusal> {
        Err(xhost_plugin::Refusal::bad_params("no"))
    }
    fn encode(
        _: Self::Params,
        _: String,
        _: xhost_plugin::Prompt,
    ) -> Result<xhost_plugin::HttpRequest, xhost_plugin::Refusal> {
        Err(xhost_plugin::Refusal::bad_params("no"))
    }
    fn decode(
        _: Self::Params,
        _: serde_json::Value,
    ) -> Result<xhost_plugin::Completion, xhost_plugin::Fault> {
        Ok(xhost_plugin::Completion::new("x"))
    }
    fn diagnose(_: Self::Params, _: xhost_plugin::HttpResponse) -> xhost_plugin::Fault {
        xhost_plugin::Fault::malformed("x")
    }
    fn allowances(_: Vec<xhost_plugin::Header>) -> Vec<xhost_plugin::Allowance> {
        vec![]
    }
}
xhost_plugin::export_provider!(P);
