//! The closed lists of names that a comparison accepts: models, peers and grounds.
//!
//! The commands check their arguments against these lists before anything is built, and
//! the lab builds every model from the same lists, so the two can't drift apart. A
//! [`Row`](crate::Row) may name any other subject as well: a bench against a foreign crate
//! names that crate.

/// A name that is on none of the lists.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} '{name}'; valid: {}", valid.join(", "))]
pub struct UnknownName {
    /// What was looked for: "model", "peer", "ground" or "lab".
    pub what: &'static str,
    /// The name that was given.
    pub name: String,
    /// The names that would have been right.
    pub valid: Vec<&'static str>,
}

/// Writes a closed list of named things, once.
macro_rules! names {
    ($(#[$doc:meta])* $type:ident, $what:literal, { $($(#[$variant_doc:meta])* $variant:ident => $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($(#[$variant_doc])* $variant,)+ }

        impl $type {
            /// Every one of them, in the order of the tables.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// The names, in the same order.
            pub const NAMES: &'static [&'static str] = &[$($name,)+];

            /// The name on the command line and in the records.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl ::std::str::FromStr for $type {
            type Err = $crate::UnknownName;
            fn from_str(name: &str) -> Result<Self, $crate::UnknownName> {
                Self::ALL.iter().copied().find(|one| one.name() == name).ok_or_else(|| $crate::UnknownName {
                    what: $what,
                    name: name.to_owned(),
                    valid: Self::NAMES.to_vec(),
                })
            }
        }
    };
}
pub(crate) use names;

names!(
    /// A threading model of this family or a peer behind the same trait.
    Model, "model", {
        /// One thread a job, joined by the ground.
        OneToOne => "one-to-one",
        /// The classic pool over std's channel.
        PoolBasic => "pool-basic",
        /// The classic pool over crossbeam's channel.
        PoolBasicCrossbeam => "pool-basic-crossbeam",
        /// The work-stealing pool.
        PoolWorkstealing => "pool-workstealing",
        /// The M:N executor.
        MiniExecutor => "mini-executor",
        /// rayon behind our trait.
        Rayon => "rayon",
        /// tokio behind our trait.
        Tokio => "tokio",
    }
);

names!(
    /// A foreign crate that is measured beside the models.
    Peer, "peer", {
        /// The pool of the textbook: mpsc and a Mutex, nothing else.
        Textbook => "textbook",
        /// The `threadpool` crate.
        Threadpool => "threadpool",
    }
);

names!(
    /// What a model stands on.
    Ground, "ground", {
        /// The operating system that runs this process.
        Host => "host",
        /// The kernel of this project, in QEMU.
        Kernel => "kernel",
    }
);

/// What a model may have for jobs that keep a worker, by the model's own word for it: a subject that is
/// named by a model, a dash and one of these is that model, used that way.
pub mod way {
    /// Threads of its own for what blocks, in mini-executor.
    pub const UNBLOCK: &str = "unblock";
    /// The same, in tokio.
    pub const SPAWN_BLOCKING: &str = "spawn-blocking";
    /// The job hands its worker's place on.
    pub const IN_PLACE: &str = "in-place";
    /// The pool gets more workers.
    pub const RESIZE: &str = "resize";

    /// Every one.
    pub const ALL: [&str; 4] = [UNBLOCK, SPAWN_BLOCKING, IN_PLACE, RESIZE];
}

impl Model {
    /// Every model; the same as [`Model::ALL`].
    #[must_use]
    pub const fn all() -> &'static [Self] {
        Self::ALL
    }

    /// The models that also run inside the kernel.
    pub const IN_KERNEL: &'static [Self] = &[Self::OneToOne, Self::MiniExecutor];

    /// The models that can note what their workers do.
    pub const WITH_RECORDER: &'static [Self] = &[Self::PoolWorkstealing, Self::MiniExecutor];

    /// Whether the model exists on a ground.
    #[must_use]
    pub fn runs_on(self, ground: Ground) -> bool {
        match ground {
            Ground::Host => true,
            Ground::Kernel => Self::IN_KERNEL.contains(&self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_go_both_ways() {
        for (model, name) in Model::ALL.iter().zip(Model::NAMES) {
            assert_eq!(model.name(), *name);
            assert_eq!(name.parse(), Ok(*model));
        }
        assert_eq!("kernel".parse(), Ok(Ground::Kernel));
    }

    #[test]
    fn an_unknown_name_lists_the_valid_ones() {
        let error = "fibers".parse::<Model>().unwrap_err().to_string();
        assert!(
            error.starts_with("unknown model 'fibers'; valid: one-to-one, pool-basic"),
            "{error}"
        );
        assert!(error.ends_with("rayon, tokio"), "{error}");
    }

    #[test]
    fn pools_stay_on_the_host() {
        assert!(Model::OneToOne.runs_on(Ground::Kernel));
        assert!(!Model::PoolBasic.runs_on(Ground::Kernel));
        assert!(Model::Rayon.runs_on(Ground::Host));
    }
}
