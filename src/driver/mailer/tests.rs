use crate::config::plan::{NotifyScripts, SyncGroup};

use super::*;

fn group(mails: bool) -> Who {
    let notify = NotifyScripts { mails, ..NotifyScripts::default() };
    Who::Group(Arc::new(SyncGroup { name: "G1".to_owned(), members: Vec::new(), notify }))
}

async fn mailer(global: &Global) -> Mailer {
    let mailer = Mailer::start().0;
    mailer.follow(global);
    mailer
}

fn global() -> Global {
    let mail = crate::config::plan::Mail {
        server: "192.0.2.25".to_owned(),
        port: 25,
        helo: None,
        from: None,
        to: vec!["admin@example.com".to_owned()],
        timeout: Duration::from_secs(30),
    };
    Global { router_id: Some("RTR".to_owned()), mail: Some(mail), ..Global::default() }
}

fn subjects(mailer: &Mailer) -> Vec<String> {
    mailer.queue.waiting().into_iter().map(|letter| letter.subject).collect()
}

#[tokio::test]
async fn each_new_state_is_mailed_once() {
    let mailer = mailer(&global()).await;
    let states = [PublicState::Backup, PublicState::Master, PublicState::Master, PublicState::Stop];
    states.iter().for_each(|&state| mailer.vrrp(&group(true), state));
    let subject = |what| format!("[RTR] VRRP Group G1 - {what}");
    let expected =
        ["Entering BACKUP state", "Entering MASTER state", "Stopping"].map(subject).to_vec();
    assert_eq!(subjects(&mailer), expected);
    let body = "=> All VRRP group instances are now in MASTER state <=";
    assert_eq!(mailer.queue.waiting()[1].body, body);
}

#[tokio::test]
async fn nobody_is_written_to_unasked() {
    let mailer = mailer(&global()).await;
    mailer.vrrp(&group(false), PublicState::Master);
    assert_eq!(subjects(&mailer), [""; 0]);
}

/// keepalived.conf(5), no_email_faults. The recovery is news all the same: MASTER, (FAULT), BACKUP.
#[tokio::test]
async fn no_email_faults_leaves_out_fault_alone() {
    let mailer = mailer(&Global { no_fault_mail: true, ..global() }).await;
    let states = [PublicState::Master, PublicState::Fault, PublicState::Backup];
    states.iter().for_each(|&state| mailer.vrrp(&group(true), state));
    assert_eq!(subjects(&mailer).len(), 2);
}
