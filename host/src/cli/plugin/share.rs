//! `xhost plugin push` and `pull`: plugins to and from registries, in the layout that `wkg` uses.

use super::super::{Exit, Failure};
use super::examine::component;
use crate::authoring::{Look, look};
use crate::experiment::short_name;
use crate::http::{Http, Settings};
use crate::registry::{
    Address, Artifact, Facts, Fetched, ImageName, Labels, Outside, Plain, Told, fetch_file,
    fetch_image,
};
use crate::secret::{NamedBy, registry_login};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PUSH_EXAMPLES: &str = "\
Examples:
  xhost plugin push similarity ghcr.io/me/similarity:1.0          a project's folder, built before
  xhost plugin push similarity.wasm localhost:5000/similarity:1.0 --json | jq -r .reference
  xhost plugin push scorer.py ghcr.io/me/scorer:1.0               built now, or kept
Credentials: what `docker login REGISTRY` left; or XHOST_REGISTRY_USER with XHOST_REGISTRY_PASSWORD, or
XHOST_REGISTRY_TOKEN, for the registry that XHOST_REGISTRY names [default: the one given here].";

/// Give a plugin to others: into an OCI registry, as `wkg` would
///
/// The same component has the same digest, whenever and wherever it is pushed.
#[derive(clap::Args)]
#[command(after_help = PUSH_EXAMPLES)]
pub(in crate::cli) struct Push {
    /// A component, a project's folder, or a .py or .js file
    #[arg(value_name = "FILE | DIR")]
    plugin: PathBuf,
    /// Where to: REGISTRY/NAME:TAG
    reference: String,
    /// The plugin's version [default: what the project, else the component says]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Where its sources are [default: what the project, else the component says]
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    #[command(flatten)]
    how: How,
}

const PULL_EXAMPLES: &str = "\
Examples:
  xhost plugin pull ghcr.io/me/similarity:1.0                     into similarity.wasm
  xhost plugin pull ghcr.io/me/similarity:1.0@sha256:3f0c… -o s.wasm
  xhost plugin pull 'https://example.org/similarity.wasm#blake3=9d1e…'
A run needs no pull: `xhost run --plugin ghcr.io/me/similarity:1.0` fetches it once and pins it in xhost.lock.";

/// Get a plugin from an OCI registry, or from a URL with its digest
#[derive(clap::Args)]
#[command(after_help = PULL_EXAMPLES)]
pub(in crate::cli) struct Pull {
    /// REGISTRY/NAME:TAG, with @sha256:… where it must be a certain one; or a URL with #blake3=… or #sha256=…
    reference: String,
    /// Where the component goes [default: NAME.wasm in this folder]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    how: How,
}

/// What pushing and pulling share.
#[derive(clap::Args)]
struct How {
    /// Registry or host that may be spoken to without encryption, as this machine's own is
    #[arg(long, value_name = "HOST")]
    insecure: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn push(arguments: &Push) -> Result<Exit, Failure> {
    let name = ImageName::parse(&arguments.reference)?;
    let component = component(&arguments.plugin)?;
    let look = look(&component.name, &component.bytes).map_err(Failure::wrong)?;
    let facts = Facts::of(&component.bytes);
    let project = Project::of(&arguments.plugin);
    let labels = Labels {
        title: component.name,
        version: arguments
            .version
            .clone()
            .or(project.version)
            .or_else(|| facts.version.clone()),
        source: arguments
            .source
            .clone()
            .or(project.source)
            .or_else(|| facts.source.clone()),
        kind: look.kind.text().into(),
        contract: format!("xhost:plugin@{}", look.version),
    };
    let artifact = Artifact::new(component.bytes, &facts, &labels);
    let bar = bar();
    let told = told(&bar);
    let line = Line::new(&arguments.how);
    let pushed = crate::registry::push(&line.outside(&told), &name, &artifact).await?;
    bar.finish_and_clear();
    let reference = name.at(&pushed.digest);
    if arguments.how.json {
        let told = json!({
            "reference": reference, "manifest": pushed.digest, "blake3": look.digest.to_string(), "bytes": look.bytes,
            "sent": pushed.sent, "kind": labels.kind, "contract": labels.contract, "version": labels.version,
            "source": labels.source,
        });
        println!("{told:#}");
    } else {
        let already = if pushed.sent {
            ""
        } else {
            ", which the registry had"
        };
        println!("pushed {} bytes{already}\n{reference}", look.bytes);
    }
    Ok(Exit::Done)
}

pub(super) async fn pull(arguments: &Pull) -> Result<Exit, Failure> {
    let bar = bar();
    let told = told(&bar);
    let line = Line::new(&arguments.how);
    let outside = line.outside(&told);
    let (fetched, reference) = fetch(&outside, &arguments.reference).await?;
    bar.finish_and_clear();
    let short = short_name(&arguments.reference);
    let look = look(short, &fetched.component).map_err(Failure::wrong)?;
    let file = match &arguments.output {
        Some(file) => file.clone(),
        None => PathBuf::from(format!("{short}.wasm")),
    };
    let known = std::fs::read(&file).ok();
    if arguments.output.is_none() && known.is_some_and(|known| known != fetched.component) {
        return Err(Failure::wrong(format!(
            "{} is another plugin: name a file with -o, this one to have it replaced",
            file.display()
        )));
    }
    write(&file, &fetched.component)
        .map_err(|e| Failure::new(Exit::Disk, format!("{}: {e}", file.display())))?;
    tell_pulled(
        arguments,
        &look,
        &file,
        &reference,
        fetched.manifest_digest().as_deref(),
    );
    Ok(Exit::Done)
}

fn tell_pulled(
    arguments: &Pull,
    look: &Look,
    file: &Path,
    reference: &str,
    manifest: Option<&str>,
) {
    if arguments.how.json {
        let told = json!({
            "reference": reference, "manifest": manifest, "blake3": look.digest.to_string(), "bytes": look.bytes,
            "kind": look.kind.text(), "contract": format!("xhost:plugin@{}", look.version), "file": file,
        });
        println!("{told:#}");
        return;
    }
    println!(
        "{}: a {} for xhost:plugin@{}, {} bytes\nblake3   {}\n{reference}",
        file.display(),
        look.kind,
        look.version,
        look.bytes,
        look.digest
    );
}

/// What is at a reference or a URL, and the word that names just that.
async fn fetch(outside: &Outside<'_>, word: &str) -> Result<(Fetched, String), Failure> {
    if word.starts_with("https://") || word.starts_with("http://") {
        let fetched = fetch_file(outside, &Address::parse(word)?).await?;
        return Ok((fetched, word.to_owned()));
    }
    let name = ImageName::parse(word)?;
    let fetched = fetch_image::<Failure>(outside, &name, |_| Ok(())).await?;
    let digest = fetched.manifest_digest().unwrap_or_default();
    Ok((fetched, name.at(&digest)))
}

/// The line to the world.
struct Line {
    http: Http,
    plain: Plain,
}

impl Line {
    fn new(how: &How) -> Line {
        Line {
            http: Http::new(Settings::new(Duration::from_secs(10))),
            plain: Plain::and(&how.insecure),
        }
    }

    fn outside<'a>(&'a self, told: Told<'a>) -> Outside<'a> {
        Outside {
            transport: &self.http,
            plain: &self.plain,
            login: &|registry| registry_login(registry, NamedBy::User),
            told,
        }
    }
}

/// Progress on a terminal, and none elsewhere.
fn bar() -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}");
    let bar = indicatif::ProgressBar::new(0);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn told(bar: &indicatif::ProgressBar) -> impl Fn(u64, u64) + Sync + '_ {
    |done, all| {
        bar.set_length(all.max(done));
        bar.set_position(done);
    }
}

/// Whole, or not at all.
fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    let mut fresh = tempfile::Builder::new()
        .permissions(mode)
        .tempfile_in(folder)?;
    fresh.write_all(bytes)?;
    fresh.persist(file)?;
    Ok(())
}

/// What a project's own files say of it.
#[derive(Default)]
struct Project {
    version: Option<String>,
    source: Option<String>,
}

impl Project {
    /// From `Cargo.toml`, `pyproject.toml` or `package.json`; nothing for a bare file.
    fn of(plugin: &Path) -> Project {
        let read = |name: &str| std::fs::read_to_string(plugin.join(name)).ok();
        let toml = |name: &str| toml::from_str::<toml::Table>(&read(name)?).ok();
        let text = |value: Option<&toml::Value>| Some(value?.as_str()?.to_owned());
        if let Some(package) = toml("Cargo.toml")
            .as_ref()
            .and_then(|one| one.get("package"))
        {
            return Project {
                version: text(package.get("version")),
                source: text(package.get("repository")),
            };
        }
        if let Some(project) = toml("pyproject.toml")
            .as_ref()
            .and_then(|one| one.get("project"))
        {
            let urls = project.get("urls");
            return Project {
                version: text(project.get("version")),
                source: urls
                    .and_then(|urls| text(urls.get("Repository").or_else(|| urls.get("Source")))),
            };
        }
        let package = read("package.json")
            .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
        let Some(package) = package else {
            return Project::default();
        };
        let repository = &package["repository"];
        let source = repository.as_str().or_else(|| repository["url"].as_str());
        Project {
            version: package["version"].as_str().map(str::to_owned),
            source: source.map(str::to_owned),
        }
    }
}
