//! Permissions as types: what takes a caller by one of them in its arguments cannot forget to ask for it.

use super::client::Permission;

/// A permission as a type.
pub trait Wanted: Send {
    /// The permission.
    const PERMISSION: Permission;
}

macro_rules! permissions {
    ($($name:ident),+) => {$(
        #[doc = concat!("[`Permission::", stringify!($name), "`] as a type.")]
        pub struct $name;

        impl Wanted for $name {
            const PERMISSION: Permission = Permission::$name;
        }
    )+};
}

permissions!(ManageClients, ManageKeys, Audit, ManageWebhooks, Enqueue, Read, Operate);
