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
    /// One that never had any gets the number of nobody. Where `all_there`, it is refused if only it shall go through
    /// the tunnel: what is misspelt would go beside it. One that is left out, as of a service that does not run yet,
    /// goes through the tunnel until it is there.
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
                (Err(reason), None) if all_there && is_in_sets(rules, path) => return Err(reason),
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

    /// Watches every group that this one is in, up to the root. Where that fails, they are still looked at from time to time.
    fn watch(&self, path: &str) {
        let what = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::ONLYDIR;
        let (Some(root), Ok(place)) = (&self.root, self.place_of(path)) else {
            return;
        };
        let above = place.ancestors().skip(1);
        for group in above.take_while(|group| group.starts_with(root)) {
            let _ = inotify::add_watch(&self.events, group, what);
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

/// The paths of groups that alone go through the tunnel, and of those that they are in.
fn in_sets(rules: &RuleSet) -> impl Iterator<Item = &str> {
    rules.inet.sets.iter().filter_map(|set| match set {
        NamedSet::GroupsBeside { path, .. } => Some(path.as_str()),
        _ => None,
    })
}

fn is_in_sets(rules: &RuleSet, path: &str) -> bool {
    in_sets(rules).any(|each| each == path)
}

/// All paths that rules and sets name.
fn paths_in(rules: &RuleSet) -> impl Iterator<Item = &str> {
    matched_in(rules).chain(in_sets(rules))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Chain, Egress, Policy, Rule, Table, Verdict};

    /// The number of no folder.
    const GONE: u64 = 1;

    /// A hierarchy in a folder of its own, which is removed with it.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("atlantic-groups-{name}-{}", std::process::id()));
            let place = Self(folder);
            place.make("app/chosen");
            place.make("app/other");
            place
        }

        fn make(&self, path: &str) {
            assert!(fs::create_dir_all(self.0.join(path)).is_ok());
        }

        fn remove(&self, path: &str) {
            assert!(fs::remove_dir_all(self.0.join(path)).is_ok());
        }

        fn number(&self, path: &str) -> Option<u64> {
            fs::metadata(self.0.join(path))
                .ok()
                .map(|metadata| metadata.ino())
        }

        fn groups(&self) -> io::Result<ControlGroups> {
            let mut groups = ControlGroups::open()?;
            groups.root = Some(self.0.clone());
            Ok(groups)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// Rules as they are for "app/chosen" alone: what is beside it, in a group that is known by its number.
    fn rules() -> RuleSet {
        let beside = |name: &str, path: &str, itself| NamedSet::GroupsBeside {
            name: name.to_owned(),
            path: path.to_owned(),
            itself,
        };
        let in_app = Rule {
            why: String::new(),
            matches: vec![Match::ControlGroup {
                path: "app".to_owned(),
            }],
            acts: Vec::new(),
            verdict: Verdict::GoOn {},
        };
        let chain = Chain {
            name: "routing".to_owned(),
            base: None,
            rules: vec![in_app],
        };
        RuleSet {
            table: "atlantic".to_owned(),
            inet: Table {
                sets: vec![
                    beside("above", "app", true),
                    beside("beside", "app/chosen", false),
                ],
                chains: vec![chain],
            },
            egress: Egress {
                sets: Vec::new(),
                chains: Vec::new(),
                chain: "egress".to_owned(),
                policy: Policy::Drop,
                internal: Vec::new(),
                spared: None,
            },
            settings: Vec::new(),
        }
    }

    fn in_set(numbers: &GroupNumbers, name: &str) -> Vec<Option<u64>> {
        numbers.in_set(name).map(Some).collect()
    }

    #[test]
    fn knows_what_is_beside_a_chosen_group_and_never_that_group() -> Result<(), String> {
        let place = Place::new("beside");
        let mut groups = place.groups().map_err(|error| error.to_string())?;
        let first = groups.numbers(&rules(), &GroupNumbers::default(), true)?;
        assert_eq!(in_set(&first, "above"), [place.number("app")]);
        assert_eq!(in_set(&first, "beside"), [place.number("app/other")]);
        place.make("app/new");
        let then = groups.numbers(&rules(), &first, true)?;
        assert_eq!(in_set(&then, "beside").len(), 2);
        assert!(in_set(&then, "beside").contains(&place.number("app/new")));
        assert!(!first.changes_rules(&then, &rules()), "only what is in a set");
        Ok(())
    }

    #[test]
    fn remembers_groups_that_are_gone_but_not_all_that_ever_were() -> Result<(), String> {
        let place = Place::new("gone");
        let mut groups = place.groups().map_err(|error| error.to_string())?;
        groups.numbers(&rules(), &GroupNumbers::default(), true)?;
        // As one that was seen and is gone: a file system other than theirs may give a number twice.
        groups
            .beside
            .entry("app/chosen".to_owned())
            .or_default()
            .insert(GONE);
        let then = groups.numbers(&rules(), &GroupNumbers::default(), true)?;
        assert!(in_set(&then, "beside").contains(&Some(GONE)));
        for count in 0..MOST_REMEMBERED {
            place.make(&format!("app/{count}"));
        }
        let last = groups.numbers(&rules(), &then, true)?;
        assert!(in_set(&last, "beside").contains(&place.number("app/other")));
        assert_eq!(in_set(&last, "beside").len(), MOST_REMEMBERED + 1);
        assert!(!in_set(&last, "beside").contains(&Some(GONE)));
        Ok(())
    }

    #[test]
    fn refuses_a_group_that_is_not_there_but_not_in_rules_that_are_in_force() -> Result<(), String> {
        let place = Place::new("refuses");
        let mut groups = place.groups().map_err(|error| error.to_string())?;
        let there = groups.numbers(&rules(), &GroupNumbers::default(), true)?;
        place.remove("app");
        assert!(groups.numbers(&rules(), &GroupNumbers::default(), true).is_err());
        let kept = groups.numbers(&rules(), &there, true)?;
        assert!(!there.changes_rules(&kept, &rules()));
        let unknown = groups.numbers(&rules(), &GroupNumbers::default(), false)?;
        assert_eq!(unknown.of("app"), Ok(NOBODY));
        Ok(())
    }

    #[test]
    fn one_that_is_left_out_of_the_tunnel_may_come_later() -> Result<(), String> {
        let place = Place::new("later");
        let mut groups = place.groups().map_err(|error| error.to_string())?;
        let mut rules = rules();
        rules.inet.sets.clear();
        place.remove("app");
        let before = groups.numbers(&rules, &GroupNumbers::default(), true)?;
        assert_eq!(before.of("app"), Ok(NOBODY));
        place.make("app");
        let now = groups.numbers(&rules, &before, false)?;
        assert_eq!(now.of("app").ok(), place.number("app"));
        assert!(before.changes_rules(&now, &rules));
        Ok(())
    }
}
