//! Kernel settings below /proc/sys that are held for as long as there are rules.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

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

/// Puts settings where they are wanted, and remembers what was there the first time.
pub fn hold(wanted: &[Setting], before: &mut Before) -> Vec<Changed> {
    wanted
        .iter()
        .filter_map(|setting| {
            let found = read(&setting.name).unwrap_or_default();
            if found == setting.value {
                return None;
            }
            before
                .entry(setting.name.clone())
                .or_insert_with(|| found.clone());
            let failure = write(&setting.name, &setting.value)
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
        let _ = write(&name, &value);
    }
}

fn read(name: &str) -> Option<String> {
    Some(fs::read_to_string(path(name)?).ok()?.trim().to_owned())
}

fn write(name: &str, value: &str) -> std::io::Result<()> {
    let path = path(name).ok_or(std::io::ErrorKind::InvalidInput)?;
    fs::write(path, value)
}

/// Only what is below net, and never up.
fn path(name: &str) -> Option<PathBuf> {
    let inside = name.starts_with("net/") && !name.split('/').any(|part| matches!(part, "" | "." | ".."));
    inside.then(|| PathBuf::from("/proc/sys").join(name))
}
