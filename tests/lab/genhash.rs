//! `genhash`, by its own name and as a subcommand, beside Debian's.

use std::path::Path;

use crate::configs::Farm;
use crate::harness::{Host, Lab, mainstay, run};

const WORDS: [&str; 6] = ["-s", "192.0.2.101", "-p", "80", "-u", "/service.txt"];
const DIGEST: &str = "5f2b4547f41470dc3e293e7267461575";

#[test]
fn the_tutorials_page_has_the_tutorials_digest() {
    run("genhash::digest", |lab: &Lab| {
        let farm = Farm::new(lab);
        let link = farm.lb1.dir.join("genhash");
        std::os::unix::fs::symlink(mainstay(), &link).expect("a symbolic link");
        assert_eq!(output(&farm.lb1, &mainstay(), &["genhash"], &WORDS).trim_end(), DIGEST);
        assert_eq!(output(&farm.lb1, &link, &[], &WORDS).trim_end(), DIGEST);
    });
}

#[test]
fn the_verbose_report_has_keepalived_s_shape() {
    run("genhash::verbose", |lab: &Lab| {
        let debian = Path::new("/usr/bin/genhash");
        let farm = Farm::new(lab);
        let verbose = [&WORDS[..], &["-v"]].concat();
        let ours = output(&farm.lb1, &mainstay(), &["genhash"], &verbose);
        assert!(ours.contains(DIGEST), "{ours}");
        // The last line has the time it took.
        let shape = |text: &str| {
            text.lines()
                .map(|line| line.split(" =").next().unwrap().to_string())
                .collect::<Vec<_>>()
        };
        if debian.exists() {
            assert_eq!(shape(&ours), shape(&output(&farm.lb1, debian, &[], &verbose)));
        }
    });
}

fn output(host: &Host, program: &Path, first: &[&str], words: &[&str]) -> String {
    let output = host.output(host.command(program).args(first).args(words)).expect("run it");
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
