//! `push FILE REFERENCE` and `pull REFERENCE FILE`, over plain HTTP, with the crate that `wkg` uses. Prints the config, and
//! the manifest's digest where it pulled, as JSON.

use anyhow::{Context, bail};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use oci_wasm::{WasmClient, WasmConfig};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // The first of a process: it cannot have been set before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = ClientConfig {
        protocol: ClientProtocol::Http,
        ..ClientConfig::default()
    };
    let client = WasmClient::new(Client::new(config));
    let auth = RegistryAuth::Anonymous;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["push", file, reference] => {
            let reference: Reference = reference.parse()?;
            let (config, layer) = WasmConfig::from_component(file, None).await?;
            let told = json!({ "config": config });
            client.push(&reference, &auth, layer, config, None).await?;
            println!("{told}");
        }
        ["pull", reference, file] => {
            let reference: Reference = reference.parse()?;
            let (_, config, digest) = client.pull_manifest_and_config(&reference, &auth).await?;
            let image = client.pull(&reference, &auth).await?;
            let layer = image.layers.into_iter().next().context("a layer")?;
            std::fs::write(file, &layer.data)?;
            println!("{}", json!({ "config": config, "digest": digest }));
        }
        _ => bail!("push FILE REFERENCE, or pull REFERENCE FILE"),
    }
    Ok(())
}
