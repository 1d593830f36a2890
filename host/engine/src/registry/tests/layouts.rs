//! Which manifests are plugins, which names are references, and the bytes that we write.

use super::*;
use serde_json::{Value, json};

/// The honest manifest with one place changed.
fn changed(pointer: &str, to: Value) -> Vec<u8> {
    let mut manifest: Value =
        serde_json::from_slice(&artifact(b"component").manifest).expect("JSON");
    *manifest.pointer_mut(pointer).expect("it is there") = to;
    manifest.to_string().into_bytes()
}

#[test]
fn only_one_component_in_the_wasm_layout_is_a_plugin() {
    let honest: Value = serde_json::from_slice(&artifact(b"component").manifest).expect("JSON");
    let layer = honest["layers"][0].clone();
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
        {"mediaType": layout::MANIFEST, "digest": layer["digest"], "size": 2, "platform": {"architecture": "amd64", "os": "linux"}},
        {"mediaType": layout::MANIFEST, "digest": layer["digest"], "size": 2, "platform": {"architecture": "arm64", "os": "linux"}},
    ]});
    let sha512 = format!("sha512:{}", "0".repeat(128));
    for (manifest, says) in [
        (changed("/layers", json!([layer, layer])), "it has 2 layers"),
        (changed("/layers", json!([])), "it has 0 layers"),
        (
            changed(
                "/layers/0/mediaType",
                json!("application/vnd.oci.image.layer.v1.tar+gzip"),
            ),
            "its layer is of the type `application/vnd.oci.image.layer.v1.tar+gzip`",
        ),
        (
            changed(
                "/config/mediaType",
                json!("application/vnd.oci.image.config.v1+json"),
            ),
            "its config is of the type",
        ),
        (
            changed("/layers/0/digest", json!(sha512)),
            "another digest than sha256",
        ),
        (
            changed("/layers/0/digest", json!("sha256:../../x")),
            "its manifest is none",
        ),
        (changed("/layers/0/size", json!(-1)), "its manifest is none"),
        (
            changed(
                "/mediaType",
                json!("application/vnd.docker.distribution.manifest.v2+json"),
            ),
            "its manifest is of the type",
        ),
        (
            index.to_string().into_bytes(),
            "it is an index of 2 artifacts",
        ),
        (
            br#"{"manifests": 1}"#.to_vec(),
            "it is an index of 0 artifacts",
        ),
        (b"<html>".to_vec(), "its manifest is no JSON"),
        (b"[1]".to_vec(), "its manifest is none"),
    ] {
        let refused = layout::layer(&manifest, 100).expect_err("it is no plugin");
        assert!(refused.contains(says), "`{says}` is not in: {refused}");
    }
    let packed = artifact(b"component");
    let found = layout::layer(&packed.manifest, 100).expect("it is a plugin");
    assert_eq!(found, (sha256(b"component"), 9));
}

/// What is in registries stays there: these bytes must not change within the format.
#[test]
fn the_same_component_is_the_same_artifact_to_the_byte() {
    let component = crate::plugin::builtin::bytes("numeric").expect("built in");
    let facts = Facts::of(component);
    let export = "xhost:plugin/scorer@0.1.0".to_owned();
    assert!(facts.exports.contains(&export), "{facts:?}");
    assert!(
        facts.imports.iter().any(|name| name.starts_with("wasi:")),
        "{facts:?}"
    );
    let facts = Facts {
        exports: vec![export],
        imports: vec!["wasi:cli/stderr@0.2.6".into()],
        version: None,
        source: None,
    };
    let labels = Labels {
        title: "x".into(),
        version: Some("1.2.0".into()),
        source: Some("https://example.org/x".into()),
        kind: "scorer".into(),
        contract: "xhost:plugin@0.1.0".into(),
    };
    let packed = Artifact::new(b"component".to_vec(), &facts, &labels);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let layer = "sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa";
    let config = format!(
        r#"{{"created":"1970-01-01T00:00:00Z","architecture":"wasm","os":"wasip2","layerDigests":["{layer}"],"component":{{"exports":["xhost:plugin/scorer@0.1.0"],"imports":["wasi:cli/stderr@0.2.6"]}}}}"#
    );
    assert_eq!(text(&packed.config), config);
    let (config_digest, size) = (sha256(config.as_bytes()), config.len());
    let manifest = format!(
        concat!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
            r#""config":{{"mediaType":"application/vnd.wasm.config.v0+json","digest":"{}","size":{}}},"#,
            r#""layers":[{{"mediaType":"application/wasm","digest":"{}","size":9}}],"annotations":{{"#,
            r#""io.github.xhost-rs.plugin.contract":"xhost:plugin@0.1.0","io.github.xhost-rs.plugin.kind":"scorer","#,
            r#""org.opencontainers.image.source":"https://example.org/x","org.opencontainers.image.title":"x","#,
            r#""org.opencontainers.image.version":"1.2.0"}}}}"#
        ),
        config_digest, size, layer
    );
    assert_eq!(text(&packed.manifest), manifest);
}

#[test]
fn a_reference_names_its_registry() {
    for (text, says) in [
        ("similar:1", "it names no registry"),
        ("me/similar:1", "it names no registry"),
        ("oci://me/similar:1", "it names no registry"),
        ("ghcr.io/Me/similar:1", "reference"),
        ("ghcr.io/me/../x:1", "reference"),
        ("ghcr.io/me/x:1?a=b", "reference"),
        ("u:p@ghcr.io/x:1", "reference"),
        ("ghcr.io/x@sha256:00", "reference"),
    ] {
        let refused = ImageName::parse(text).expect_err("it is none").to_string();
        assert!(refused.contains(says), "{refused}");
    }
    let upper = format!("ghcr.io/x@sha256:{}", "A".repeat(64));
    assert!(ImageName::parse(&upper).is_err());
    let name = ImageName::parse("oci://docker.io/me/x").expect("a name");
    assert_eq!(
        (name.server(), name.repository(), name.tag()),
        ("index.docker.io", "me/x", Some("latest"))
    );
    assert_eq!(name.at("sha256:0"), "docker.io/me/x:latest@sha256:0");
}

#[test]
fn what_a_tool_wrote_into_a_component_is_read_and_what_is_damaged_says_nothing() {
    let text =
        r#"(component (@custom "version" "1.2.0") (@custom "source" "https://example.org/x"))"#;
    let component = wat::parse_str(text).expect("a component");
    let facts = Facts::of(&component);
    assert_eq!(facts.version.as_deref(), Some("1.2.0"));
    assert_eq!(facts.source.as_deref(), Some("https://example.org/x"));
    let text = r#"(component (@custom "version" "\1b[31m"))"#;
    assert_eq!(
        Facts::of(&wat::parse_str(text).expect("a component")).version,
        None
    );
    assert_eq!(Facts::of(b"\0asm nothing"), Facts::default());
}
