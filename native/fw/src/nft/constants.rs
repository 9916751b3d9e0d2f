//! Numbers of nf_tables, by the names they have in linux/netfilter/nf_tables.h.

const SUBSYSTEM: u16 = 10 << 8;

pub const NFNL_MSG_BATCH_BEGIN: u16 = 16;
pub const NFNL_MSG_BATCH_END: u16 = 17;
pub const NFT_MSG_NEWTABLE: u16 = SUBSYSTEM;
pub const NFT_MSG_GETTABLE: u16 = SUBSYSTEM | 1;
pub const NFT_MSG_DELTABLE: u16 = SUBSYSTEM | 2;
pub const NFT_MSG_NEWCHAIN: u16 = SUBSYSTEM | 3;
pub const NFT_MSG_GETCHAIN: u16 = SUBSYSTEM | 4;
pub const NFT_MSG_DELCHAIN: u16 = SUBSYSTEM | 5;
pub const NFT_MSG_NEWRULE: u16 = SUBSYSTEM | 6;
pub const NFT_MSG_GETRULE: u16 = SUBSYSTEM | 7;
pub const NFT_MSG_DELRULE: u16 = SUBSYSTEM | 8;
pub const NFT_MSG_NEWSET: u16 = SUBSYSTEM | 9;
pub const NFT_MSG_GETSET: u16 = SUBSYSTEM | 10;
pub const NFT_MSG_DELSET: u16 = SUBSYSTEM | 11;
pub const NFT_MSG_NEWSETELEM: u16 = SUBSYSTEM | 12;
pub const NFT_MSG_GETSETELEM: u16 = SUBSYSTEM | 13;
pub const NFT_MSG_DELSETELEM: u16 = SUBSYSTEM | 14;
pub const NFT_MSG_GETGEN: u16 = SUBSYSTEM | 16;
/// Kind of the message that ends every change of the rules.
pub const GENERATION_EVENT: u16 = SUBSYSTEM | 15;
/// The multicast group of rule changes (NFNLGRP_NFTABLES, 7).
pub const GROUPS: u32 = 1 << 6;

pub const NFTA_GEN_ID: u16 = 1;
pub const NFTA_GEN_PROC_PID: u16 = 2;
pub const NFTA_GEN_PROC_NAME: u16 = 3;

pub const NFTA_TABLE_NAME: u16 = 1;
pub const NFTA_TABLE_FLAGS: u16 = 2;
pub const NFT_TABLE_F_DORMANT: u32 = 0x1;
pub const NFT_TABLE_F_OWNER: u32 = 0x2;
pub const NFT_TABLE_F_PERSIST: u32 = 0x4;

pub const NFTA_CHAIN_TABLE: u16 = 1;
pub const NFTA_CHAIN_NAME: u16 = 3;
pub const NFTA_CHAIN_HOOK: u16 = 4;
pub const NFTA_CHAIN_POLICY: u16 = 5;
pub const NFTA_CHAIN_TYPE: u16 = 7;
pub const NFTA_HOOK_HOOKNUM: u16 = 1;
pub const NFTA_HOOK_PRIORITY: u16 = 2;
pub const NFTA_HOOK_DEV: u16 = 3;
pub const NF_NETDEV_EGRESS: u32 = 1;

pub const NFTA_RULE_TABLE: u16 = 1;
pub const NFTA_RULE_CHAIN: u16 = 2;
pub const NFTA_RULE_EXPRESSIONS: u16 = 4;
pub const NFTA_RULE_USERDATA: u16 = 7;
/// In a rule's user data: its comment, a text with a zero byte (libnftnl's NFTNL_UDATA_RULE_COMMENT).
pub const COMMENT: u8 = 0;

pub const NFTA_SET_TABLE: u16 = 1;
pub const NFTA_SET_NAME: u16 = 2;
pub const NFTA_SET_FLAGS: u16 = 3;
pub const NFTA_SET_KEY_TYPE: u16 = 4;
pub const NFTA_SET_KEY_LEN: u16 = 5;
pub const NFTA_SET_ID: u16 = 10;
pub const NFT_SET_INTERVAL: u32 = 0x4;
pub const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
pub const NFTA_SET_ELEM_LIST_SET: u16 = 2;
pub const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
pub const NFTA_SET_ELEM_KEY: u16 = 1;
pub const NFTA_SET_ELEM_FLAGS: u16 = 3;
pub const NFT_SET_ELEM_INTERVAL_END: u32 = 0x1;

pub const NFTA_LIST_ELEM: u16 = 1;
pub const NFTA_EXPR_NAME: u16 = 1;
pub const NFTA_EXPR_DATA: u16 = 2;
pub const NFTA_DATA_VALUE: u16 = 1;
pub const NFTA_DATA_VERDICT: u16 = 2;
pub const NFTA_VERDICT_CODE: u16 = 1;
pub const NFTA_VERDICT_CHAIN: u16 = 2;
