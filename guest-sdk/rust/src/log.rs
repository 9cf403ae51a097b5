//! Lines in the agent's log, under the name of the policy: `log::info!("{n} tasks")`.

pub use crate::bindings::wca::policy::log::{Level, write};
pub use crate::{__debug as debug, __error as error, __info as info, __warn as warn};

/// Writes a line for the author, formatted as by `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    ($($text:tt)*) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($text)*)) };
}

/// Writes a line for who looks, formatted as by `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __info {
    ($($text:tt)*) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($text)*)) };
}

/// Writes a line on something odd, formatted as by `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __warn {
    ($($text:tt)*) => { $crate::log::write($crate::log::Level::Warn, &::std::format!($($text)*)) };
}

/// Writes a line on something broken, formatted as by `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __error {
    ($($text:tt)*) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($text)*)) };
}
