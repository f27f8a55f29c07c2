//! IPVS by generic netlink.

/// The kernel's IPVS table.
pub struct KernelDataPlane;
