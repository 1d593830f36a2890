//! xhost
pub mod plugin;
