//! Kernel settings below /proc/sys that are held for as long as there are rules.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::rules::Setting;

/// What was there before we set it, by name, to be put back when the rules go.
pub type Before = BTreeMap<String, String>;

/// A setting that had been changed, and whether it could be put back.
pub struct Changed {
    pub name: String,
    pub found: String,
    pub wanted: String,
    pub failure: Option<String>,
}

const ROOT: &str = "/proc/sys";

/// Puts settings where they are wanted, and remembers what was there the first time. Those of a protocol that this
/// kernel does not have are not missed.
pub fn hold(wanted: &[Setting], before: &mut Before) -> Vec<Changed> {
    hold_below(Path::new(ROOT), wanted, before)
}

fn hold_below(root: &Path, wanted: &[Setting], before: &mut Before) -> Vec<Changed> {
    wanted
        .iter()
        .filter(|setting| !is_of_no_protocol(root, &setting.name))
        .filter_map(|setting| {
            let found = read(root, &setting.name).unwrap_or_default();
            if found == setting.value {
                return None;
            }
            before
                .entry(setting.name.clone())
                .or_insert_with(|| found.clone());
            let failure = write(root, &setting.name, &setting.value)
                .err()
                .map(|error| error.to_string());
            Some(Changed {
                name: setting.name.clone(),
                found,
                wanted: setting.value.clone(),
                failure,
            })
        })
        .collect()
}

/// Puts back what was there before.
pub fn release(before: &mut Before) {
    for (name, value) in std::mem::take(before) {
        // It may have gone with its link, and then there is nothing to put back.
        let _ = write(Path::new(ROOT), &name, &value);
    }
}

fn read(root: &Path, name: &str) -> Option<String> {
    Some(fs::read_to_string(path(root, name)?).ok()?.trim().to_owned())
}

fn write(root: &Path, name: &str, value: &str) -> std::io::Result<()> {
    let path = path(root, name).ok_or(std::io::ErrorKind::InvalidInput)?;
    fs::write(path, value)
}

/// Only what is below net, and never up.
fn path(root: &Path, name: &str) -> Option<PathBuf> {
    let inside = name.starts_with("net/") && !name.split('/').any(|part| matches!(part, "" | "." | ".."));
    inside.then(|| root.join(name))
}

/// IPv6 may be left out (`ipv6.disable=1`).
fn is_of_no_protocol(root: &Path, name: &str) -> bool {
    name.starts_with("net/ipv6/") && !root.join("net/ipv6").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_of_a_protocol_that_is_not_there_are_not_missed() -> std::io::Result<()> {
        let root = std::env::temp_dir().join(format!("atlantic-settings-{}", std::process::id()));
        fs::create_dir_all(root.join("net/ipv4"))?;
        fs::write(root.join("net/ipv4/fwmark_reflect"), "0\n")?;
        let wanted = [
            "net/ipv4/fwmark_reflect",
            "net/ipv4/none/such",
            "net/ipv6/fwmark_reflect",
        ];
        let wanted = wanted.map(|name| Setting {
            name: name.to_owned(),
            value: "1".to_owned(),
        });
        let mut before = Before::new();
        let changed = hold_below(&root, &wanted, &mut before);
        let held = fs::read_to_string(root.join("net/ipv4/fwmark_reflect"));
        fs::remove_dir_all(&root)?;
        let outcomes: Vec<_> = changed
            .iter()
            .map(|each| (each.name.as_str(), each.failure.is_some()))
            .collect();
        assert_eq!(
            outcomes,
            [("net/ipv4/fwmark_reflect", false), ("net/ipv4/none/such", true)]
        );
        assert_eq!(held?, "1");
        assert_eq!(
            before.get("net/ipv4/fwmark_reflect").map(String::as_str),
            Some("0")
        );
        Ok(())
    }
}
