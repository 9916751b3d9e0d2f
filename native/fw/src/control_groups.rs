//! The numbers that the kernel knows control groups (v2) by: the inode numbers of their directories, which it never
//! gives twice. A group that is deleted and made again has another one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::rules::{Match, NamedSet, RuleSet};

/// Where the hierarchy of version 2 is mounted: alone, or beside version 1.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// Groups that are gone may have left sockets behind, which go on as before. Of so many it is known whose they were.
const MOST_REMEMBERED: usize = 2048;

/// The kernel counts from one.
const NOBODY: u64 = 0;

/// The control groups of this system, and what happens to those that rules name.
pub struct ControlGroups {
    root: Option<PathBuf>,
    /// Says that a group was made or deleted beside one that the rules name.
    pub events: OwnedFd,
    /// The numbers of all that were ever seen beside a group, by its path.
    beside: BTreeMap<String, BTreeSet<u64>>,
}

/// The numbers that a set of rules asks for, as they were at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupNumbers {
    by_path: BTreeMap<String, u64>,
    /// What is in each set of groups, by its name.
    in_sets: BTreeMap<String, BTreeSet<u64>>,
}

impl ControlGroups {
    pub fn open() -> io::Result<Self> {
        let root = ROOTS
            .iter()
            .map(Path::new)
            .find(|root| root.join("cgroup.controllers").exists());
        Ok(Self {
            root: root.map(Path::to_owned),
            events: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
            beside: BTreeMap::new(),
        })
    }

    /// What was heard makes no difference: all groups that matter are looked at.
    pub fn forget_events(&self) {
        let mut buffer = [0; 4096];
        while rustix::io::read(&self.events, &mut buffer).is_ok_and(|length| length > 0) {}
    }

    /// Looks up what rules ask for. A group that is gone keeps the number that it had `before`: nobody else gets it.
    /// One that never had any is refused where `all_there`, else it gets the number of nobody.
    pub fn numbers(
        &mut self,
        rules: &RuleSet,
        before: &GroupNumbers,
        all_there: bool,
    ) -> Result<GroupNumbers, String> {
        let mut numbers = GroupNumbers::default();
        // Watched first: what happens after it was looked at is heard of.
        for path in paths_in(rules) {
            self.watch(path);
            let number = match (self.number_of(path), before.by_path.get(path)) {
                (Ok(number), _) => number,
                (Err(_), Some(number)) => *number,
                (Err(reason), None) if all_there => return Err(reason),
                (Err(_), None) => NOBODY,
            };
            numbers.by_path.insert(path.to_owned(), number);
        }
        for set in &rules.inet.sets {
            if let NamedSet::GroupsBeside { name, path, itself } = set {
                let mut all = self.all_beside(path);
                // The number that the rules know it by and no other: one that was made again meanwhile is unknown.
                all.extend(numbers.by_path.get(path).filter(|_| *itself));
                numbers.in_sets.insert(name.clone(), all);
            }
        }
        Ok(numbers)
    }

    fn place_of(&self, path: &str) -> Result<PathBuf, String> {
        let plain = !path.is_empty() && !path.split('/').any(|part| matches!(part, "" | "." | ".."));
        match (&self.root, plain) {
            (Some(root), true) => Ok(root.join(path)),
            _ => Err(format!(
                "{path:?} is no control group, or this system has none of version 2"
            )),
        }
    }

    /// The number of the control group with this path from the root of the hierarchy.
    fn number_of(&self, path: &str) -> Result<u64, String> {
        fs::metadata(self.place_of(path)?)
            .map(|metadata| metadata.ino())
            .map_err(|error| format!("The control group {path} cannot be found: {error}"))
    }

    /// Where this fails, groups are still looked at from time to time.
    fn watch(&self, path: &str) {
        let what = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::ONLYDIR;
        if let Ok(place) = self.place_of(path)
            && let Some(parent) = place.parent()
        {
            let _ = inotify::add_watch(&self.events, parent, what);
        }
    }

    /// All that are, or were, in the same group as this one, but none that ever had its name.
    fn all_beside(&mut self, path: &str) -> BTreeSet<u64> {
        let there = self.there_beside(path).unwrap_or_default();
        let known = self.beside.entry(path.to_owned()).or_default();
        known.extend(&there);
        // The kernel counts upwards: the smallest are the oldest.
        let too_many = known.len().saturating_sub(MOST_REMEMBERED);
        let oldest: Vec<u64> = known.difference(&there).take(too_many).copied().collect();
        for number in oldest {
            known.remove(&number);
        }
        known.clone()
    }

    fn there_beside(&self, path: &str) -> Option<BTreeSet<u64>> {
        let place = self.place_of(path).ok()?;
        let entries = fs::read_dir(place.parent()?).ok()?.flatten();
        Some(
            entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .filter(|entry| Some(entry.file_name().as_os_str()) != place.file_name())
                .map(|entry| entry.ino())
                .collect(),
        )
    }
}

impl GroupNumbers {
    pub fn of(&self, path: &str) -> Result<u64, String> {
        let number = self.by_path.get(path);
        number
            .copied()
            .ok_or_else(|| format!("The control group {path} was not looked up"))
    }

    pub fn in_set(&self, name: &str) -> impl Iterator<Item = u64> {
        self.in_sets.get(name).into_iter().flatten().copied()
    }

    /// Whether some of the rules that were made with these numbers would be others with those.
    pub fn changes_rules(&self, to: &Self, rules: &RuleSet) -> bool {
        matched_in(rules).any(|path| {
            let number = to.by_path.get(path);
            number.is_some() && number != self.by_path.get(path)
        })
    }
}

/// The paths whose numbers stand in rules.
fn matched_in(rules: &RuleSet) -> impl Iterator<Item = &str> {
    let chains = rules.inet.chains.iter().chain(&rules.egress.chains);
    let matches = chains
        .flat_map(|chain| &chain.rules)
        .flat_map(|rule| &rule.matches);
    matches.filter_map(|each| match each {
        Match::ControlGroup { path } => Some(path.as_str()),
        _ => None,
    })
}

/// All paths that rules and sets name.
fn paths_in(rules: &RuleSet) -> impl Iterator<Item = &str> {
    let in_sets = rules.inet.sets.iter().filter_map(|set| match set {
        NamedSet::GroupsBeside { path, .. } => Some(path.as_str()),
        _ => None,
    });
    matched_in(rules).chain(in_sets)
}
