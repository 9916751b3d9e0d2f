//! Something that should not have happened to the rules, told to the daemon.

use serde::Serialize;

use crate::settings::Changed;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Changed,
    Link,
    Setting,
    /// The rules hold, and what holds is not on disk.
    Unsaved,
    Failed,
}

#[derive(Clone, Debug, Serialize)]
pub struct Trouble {
    pub kind: Kind,
    pub message: String,
    /// For how long something may have passed, in milliseconds from when it was noticed.
    #[serde(rename = "openMs")]
    pub open_ms: Option<f64>,
}

impl Trouble {
    pub fn new(kind: Kind, message: String) -> Self {
        Self {
            kind,
            message,
            open_ms: None,
        }
    }

    pub fn failed(message: String) -> Self {
        Self::new(Kind::Failed, message)
    }

    pub fn setting(changed: Changed) -> Self {
        let Changed {
            name,
            found,
            wanted,
            failure,
        } = changed;
        match failure {
            None => Self::new(
                Kind::Setting,
                format!("The kernel setting {name} was {found}; it is {wanted} again."),
            ),
            Some(reason) => Self::failed(format!(
                "The kernel setting {name} is {found} and cannot be set to {wanted}: {reason}"
            )),
        }
    }
}
