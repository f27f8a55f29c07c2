//! How many results in a row it takes to believe a script (keepalived.conf(5), `rise`, `fall`).

/// Counts results: up while the count is at least `rise`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RiseFall {
    rise: u32,
    fall: u32,
    /// 0 to `rise` + `fall` − 1.
    count: u32,
}

impl RiseFall {
    /// Before any result one success is enough to be up and one failure to be down; with
    /// `init_fail` it begins as down, and it takes `rise` successes.
    pub fn new(rise: u32, fall: u32, init_fail: bool) -> Self {
        let (rise, fall) = (rise.max(1), fall.max(1));
        Self { rise, fall, count: if init_fail { 0 } else { rise - 1 } }
    }

    /// Goes on from where it was under other settings, up or down without doubt.
    pub fn resumed(rise: u32, fall: u32, up: bool) -> Self {
        let mut resumed = Self::new(rise, fall, true);
        if up {
            resumed.count = resumed.rise.saturating_add(resumed.fall - 1);
        }
        resumed
    }

    /// Takes one result; whether it is up now.
    pub fn result(&mut self, success: bool) -> bool {
        self.count = match (success, self.count) {
            (true, count) if count.saturating_add(1) >= self.rise => {
                self.rise.saturating_add(self.fall - 1)
            }
            (true, count) => count + 1,
            (false, count) if count > self.rise => count - 1,
            (false, _) => 0,
        };
        self.is_up()
    }

    pub fn is_up(&self) -> bool {
        self.count >= self.rise
    }
}

#[cfg(test)]
mod tests;
