use super::*;
use crate::config;

const NAME: &str = "web.example.net";

fn plan(servers: &str) -> Arc<Plan> {
    let text = format!(
        "virtual_server 192.0.2.10 80 {{\n lb_algo rr\n lb_kind TUN\n protocol TCP\n{servers}}}\n"
    );
    Arc::new(config::parse_text("t", text).plan)
}

fn named() -> Arc<Plan> {
    plan(&format!(" real_server {NAME} 80 {{\n }}\n real_server 192.0.2.31 80 {{\n }}\n"))
}

fn names(plan: &Arc<Plan>) -> Names {
    let mut names = Names::default();
    names.remember(plan.clone(), &BTreeSet::new());
    names
}

fn answer(addresses: &[&str]) -> Answer {
    let addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    Answer { name: NAME.into(), addresses: Ok(addresses) }
}

fn failure() -> Answer {
    Answer { name: NAME.into(), addresses: Err("no server can be reached".to_owned()) }
}

fn servers(plan: &Plan) -> Vec<String> {
    let servers = plan.virtual_servers[0].real_servers.iter();
    servers.map(|server| server.destination.address.ip.to_string()).collect()
}

/// What is to run after `answer`; `None`: what runs already.
fn after(names: &mut Names, answer: Answer) -> Option<Vec<String>> {
    names.take_in(answer).map(|(plan, _)| servers(&plan))
}

#[test]
fn addresses_come_and_go_with_answers_and_their_order_says_nothing() {
    let mut names = names(&named());
    let both = Some(vec!["192.0.2.21".to_owned(), "192.0.2.22".into(), "192.0.2.31".into()]);
    assert_eq!(after(&mut names, answer(&["192.0.2.22", "192.0.2.21", "192.0.2.22"])), both);
    assert_eq!(after(&mut names, answer(&["192.0.2.21", "192.0.2.22"])), None);
    let one = Some(vec!["192.0.2.22".to_owned(), "192.0.2.31".into()]);
    assert_eq!(after(&mut names, answer(&["192.0.2.22"])), one);
}

#[test]
fn without_an_answer_the_last_addresses_stay_and_the_status_says_why() {
    let mut names = names(&named());
    assert_eq!(names.status(0)[0].addresses, 0);
    assert_eq!(after(&mut names, failure()), None);
    assert_eq!(names.status(0)[0].trouble.as_deref(), Some("no server can be reached"));

    assert!(after(&mut names, answer(&["192.0.2.21"])).is_some());
    assert_eq!(names.status(0)[0].trouble, None);

    assert_eq!(after(&mut names, failure()), None);
    let status = &names.status(0)[0];
    assert_eq!((status.addresses, status.trouble.is_some()), (1, true));
    assert_eq!(after(&mut names, answer(&["192.0.2.21"])), None);
    assert_eq!(names.status(0)[0].trouble, None);
}

/// A zone that lost its A records by mistake must not empty the service.
#[test]
fn an_answer_without_a_usable_address_of_the_family_is_none() {
    let mut names = names(&named());
    assert!(after(&mut names, answer(&["192.0.2.21"])).is_some());
    for useless in ["2001:db8::1", "0.0.0.0", "224.0.0.18"] {
        assert_eq!(after(&mut names, answer(&[useless])), None, "{useless}");
        let trouble = names.status(0)[0].trouble.clone().expect("is told");
        assert!(trouble.contains("no IPv4 address"), "{trouble}");
    }
    assert_eq!(usable(&["fe80::1".parse().unwrap()], Family::Inet6).ok(), None);
}

#[test]
fn one_name_in_two_families_is_asked_for_once_with_the_shortest_interval() {
    let plan = plan(&format!(
        " real_server {NAME} 80 {{\n resolve_interval 60\n }}\n real_server {NAME} 80 {{\n \
         resolve_interval 5\n resolve_family inet6\n }}\n real_server a.example.net 80 {{\n }}\n"
    ));
    let seconds = |n| Duration::from_secs(n);
    assert_eq!(
        questions(&plan),
        [("a.example.net".into(), seconds(30)), (NAME.into(), seconds(5))]
    );
    let mut names = names(&plan);
    let both = Some(vec!["192.0.2.21".to_owned(), "2001:db8::1".into()]);
    assert_eq!(after(&mut names, answer(&["192.0.2.21", "2001:db8::1"])), both);
}

#[test]
fn a_reload_keeps_what_is_known_of_names_that_stay_and_forgets_the_others() {
    let (plan, ours) = (named(), BTreeSet::new());
    let mut names = names(&plan);
    assert!(after(&mut names, answer(&["192.0.2.21"])).is_some());
    assert_eq!(servers(&names.remember(plan.clone(), &ours)), ["192.0.2.21", "192.0.2.31"]);

    let without = self::plan(" real_server 192.0.2.31 80 {\n }\n");
    assert_eq!(servers(&names.remember(without, &ours)), ["192.0.2.31"]);
    assert_eq!(after(&mut names, answer(&["192.0.2.22"])), None, "a late answer");
    assert_eq!(servers(&names.remember(plan, &ours)), ["192.0.2.31"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_waits_for_names_but_not_for_ever() {
    let plan = plan(&format!(
        " real_server {NAME} 80 {{\n }}\n real_server silent.example.net 80 {{\n }}\n"
    ));
    let mut names = names(&plan);
    let (sender, answers) = mpsc::channel(ANSWERS);
    names.answers = answers;
    sender.send(answer(&["192.0.2.21"])).await.unwrap();
    let began = tokio::time::Instant::now();
    names.hear_all().await;
    assert_eq!(began.elapsed(), PATIENCE, "one of them is silent");
    assert_eq!(servers(&plan.with_addresses(&names.known)), ["192.0.2.21"]);

    let silent = Answer { name: "silent.example.net".into(), ..failure() };
    for each in [answer(&["192.0.2.22"]), silent] {
        sender.send(each).await.unwrap();
    }
    let began = tokio::time::Instant::now();
    names.hear_all().await;
    assert_eq!(began.elapsed(), Duration::ZERO, "no answer is an answer");
    assert_eq!(servers(&plan.with_addresses(&names.known)), ["192.0.2.22"]);
}

#[tokio::test]
async fn answers_that_wait_are_taken_in_together() {
    let mut names = names(&named());
    let (sender, answers) = mpsc::channel(ANSWERS);
    names.answers = answers;
    for ip in ["192.0.2.21", "192.0.2.22"] {
        sender.send(answer(&[ip])).await.unwrap();
    }
    let first = names.answered().await.expect("an answer");
    let now = Some(vec!["192.0.2.22".to_owned(), "192.0.2.31".into()]);
    assert_eq!(after(&mut names, first), now);
    assert!(names.answers.try_recv().is_err());
}
