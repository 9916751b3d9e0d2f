//! The fast path of the resolver: answers blocked and cached names on threads of its own, and hands everything else to
//! JavaScript; see companion/src/dns/. What it answers, it answers byte for byte as JavaScript would.

mod answer;
mod batch;
mod cache;
mod door;
mod hash;
mod interface;
mod query;
mod set;
mod shared;
