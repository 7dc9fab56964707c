//! Flows and prompts: from the folder that the configuration names, from this folder, or from inside the binary.
use crate::{config::Config, exit::Failure};
use rust_embed::RustEmbed;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../media/prompts"]
#[include = "*.wav"]
#[include = "*.yaml"]
#[include = "*.txt"]
struct EmbeddedPrompts;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../config/flows"]
#[include = "*.yaml"]
struct EmbeddedFlows;

/// Files of one kind, by their path in the folder.
pub struct Assets {
    /// Where they come from, as the user should read it.
    pub origin: String,
    /// `en/welcome.wav` → octets.
    pub files: BTreeMap<String, Cow<'static, [u8]>>,
}

impl Assets {
    /// The prompts.
    pub fn prompts(config: &Config) -> Result<Self, Failure> {
        let named = config.media.as_ref().map(|media| media.join("prompts"));
        Self::load::<EmbeddedPrompts>(named, Path::new("media/prompts"), "media")
    }

    /// The flows.
    pub fn flows(config: &Config) -> Result<Self, Failure> {
        Self::load::<EmbeddedFlows>(config.flows.clone(), Path::new("config/flows"), "flows")
    }

    fn load<E: RustEmbed>(named: Option<PathBuf>, usual: &Path, setting: &str) -> Result<Self, Failure> {
        let folder = match named {
            Some(folder) if folder.is_dir() => folder,
            Some(folder) => {
                return Err(Failure::input(format!(
                    "{}: is no folder; correct `{setting}` in the configuration, or remove it to use what is built in",
                    folder.display()
                )));
            }
            None if usual.is_dir() => usual.to_owned(),
            None => {
                let files = E::iter().filter_map(|path| Some((path.to_string(), E::get(&path)?.data)));
                return Ok(Self { origin: "built in".into(), files: files.collect() });
            }
        };
        let mut files = BTreeMap::new();
        collect(&folder, &folder, &mut files)
            .map_err(|e| Failure::input(format!("{}: {e}", folder.display())))?;
        Ok(Self { origin: folder.display().to_string(), files })
    }

    /// A file's path as the user knows it.
    pub fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.origin)
    }
}

fn collect(
    root: &Path,
    folder: &Path,
    files: &mut BTreeMap<String, Cow<'static, [u8]>>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if path.extension().is_some_and(|e| e == "wav" || e == "yaml" || e == "txt") {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            files.insert(name, std::fs::read(&path)?.into());
        }
    }
    Ok(())
}
