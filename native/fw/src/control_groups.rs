//! The numbers that the kernel knows control groups (v2) by: the inode numbers of their directories.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::rules::{Match, Rule, RuleSet};

/// Where the hierarchy of version 2 is mounted: alone, or beside version 1.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// The number of the control group with this path from the root of the hierarchy.
pub fn id_of(path: &str) -> Result<u64, String> {
    let plain = !path.is_empty() && !path.split('/').any(|part| matches!(part, "" | "." | ".."));
    let root = ROOTS
        .iter()
        .find(|root| Path::new(root).join("cgroup.controllers").exists());
    let (Some(root), true) = (root, plain) else {
        return Err(format!(
            "{path:?} is no control group, or this system has none of version 2"
        ));
    };
    fs::metadata(Path::new(root).join(path))
        .map(|metadata| metadata.ino())
        .map_err(|error| format!("The control group {path} cannot be found: {error}"))
}

/// The numbers of all control groups that the rules name; None for one that is gone.
pub fn ids_in(rules: &RuleSet) -> Vec<Option<u64>> {
    let chains = rules.inet.chains.iter().chain(&rules.egress.chains);
    let all: Vec<&Rule> = chains.flat_map(|chain| &chain.rules).collect();
    let matches = all.iter().flat_map(|rule| &rule.matches);
    matches
        .filter_map(|each| match each {
            Match::ControlGroup { path } => Some(id_of(path).ok()),
            _ => None,
        })
        .collect()
}
