//! nf_tables over netlink: the messages, the expressions, and what the kernel has (linux/netfilter/nf_tables.h).

mod constants;
mod expressions;
mod network;
mod sets;
mod snapshot;
mod table;
mod update;

pub use constants::{GENERATION_EVENT, GROUPS, NFTA_GEN_PROC_NAME, NFTA_GEN_PROC_PID};

pub use sets::swap;
pub use snapshot::{Digests, generation, snapshot, table_flags};
pub use table::{
    Contents, Family, delete_table, egress_chain, egress_chain_gone, empty_but_links, empty_egress_chain,
    link_chain_name, new_table, table_contents, transact,
};
pub use update::update;
