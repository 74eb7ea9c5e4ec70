//! What is kept of the past, and what goes.

use crate::support::{Home, pipeline, stage};

const BUILD: &str = r#"commands = ["echo $STAGEGATE_COMMIT_ID > out"]
output_artifacts = [{ name = "o", files = ["out"] }]"#;

fn runs(count: usize) -> Home {
    let home = Home::with_pipeline(&pipeline("p", "main", &stage("Build", "make", BUILD)));
    for number in 0..count {
        home.commit(&format!("change {number}"));
        assert_eq!(home.run(&["run", "p"]).code, 0);
    }
    home
}

fn logs(home: &Home) -> usize {
    std::fs::read_dir(home.state_dir().join("logs")).unwrap().count()
}

const NOTHING_IS_KEPT: &str =
    "[keep]\nlogs = \"0s\"\nhistory = \"0s\"\nartifacts = \"0s\"\nworkspaces = \"0s\"\n";

#[test]
fn what_is_no_longer_kept_goes_and_what_is_needed_stays() {
    let mut home = runs(10);
    let config = home.root().join("config.toml");
    std::fs::write(&config, NOTHING_IS_KEPT).unwrap();
    home.environment.push(("STAGEGATE_CONFIG".into(), config.to_string_lossy().into_owned()));
    let newest_before = home.executions("p").remove(0);
    let before = logs(&home);
    let planned = home.json(&["gc", "--dry-run", "--json"]);
    assert_eq!(logs(&home), before, "a dry run removes nothing");
    assert_eq!(home.executions("p").len(), 10);
    assert_eq!(planned["executions"], 2, "the board shows the last eight: {planned}");
    let removed = home.json(&["gc", "--json"]);
    assert_eq!(removed, planned, "a dry run says what happens");
    assert_eq!(removed["workspaces"]["count"], 1, "{removed}");
    assert_eq!(removed["artifacts"]["count"], 9, "{removed}");
    assert!(logs(&home) < before);
    assert_eq!(home.executions("p").len(), 8);
    assert!(!home.log(&newest_before, "make").is_empty(), "the log on the board stays");
    assert_eq!(home.json(&["gc", "--json"])["executions"], 0);

    let watch = home.background(&["watch"]);
    watch.wait_for("serving");
    let again = home.json(&["gc", "--json"]);
    assert!(again["logs"].is_object(), "a runtime collects too: {again}");
}

#[test]
fn a_mirror_stays_while_a_pipeline_watches_its_repository() {
    let mut home = Home::new();
    let url = format!("\"file://{}/repository\"", home.root().display());
    let text = pipeline("p", "main", &stage("Build", "make", BUILD)).replace("\".\"", &url);
    home.write_pipeline(&text);
    assert_eq!(home.run(&["run", "p"]).code, 0);
    let config = home.root().join("config.toml");
    std::fs::write(&config, NOTHING_IS_KEPT).unwrap();
    home.environment.push(("STAGEGATE_CONFIG".into(), config.to_string_lossy().into_owned()));
    assert_eq!(home.json(&["gc", "--json"])["repositories"]["count"], 0);
    std::fs::remove_file(home.repository().join("stagegate.toml")).unwrap();
    home.ok(&["delete", "p"]);
    assert_eq!(home.json(&["gc", "--json"])["repositories"]["count"], 1);
}

#[test]
fn wrong_settings_are_refused_with_their_place() {
    let mut home = runs(0);
    let config = home.root().join("config.toml");
    home.environment.push(("STAGEGATE_CONFIG".into(), config.to_string_lossy().into_owned()));
    for (text, words) in [
        ("[keep]\nlogs = \"soon\"\n", "`soon` is no length of time"),
        ("[keep]\nlogz = \"1d\"\n", "unknown field `logz`"),
        ("[keep]\nlog = \"lots\"\n", "config.toml:2: invalid value"),
    ] {
        std::fs::write(&config, text).unwrap();
        let refused = home.run(&["run", "p"]);
        assert_eq!(refused.code, 2);
        assert!(refused.stderr.contains(words), "{words} not in {}", refused.stderr);
    }
}

#[test]
fn a_log_that_is_too_long_keeps_its_beginning_and_its_end() {
    let make = r#"commands = ["seq -f 'line %.0f' 400000"]"#;
    let mut home = Home::with_pipeline(&pipeline("p", "main", &stage("Build", "make", make)));
    let config = home.root().join("config.toml");
    std::fs::write(&config, "[keep]\nlog = \"1MiB\"\n").unwrap();
    home.environment.push(("STAGEGATE_CONFIG".into(), config.to_string_lossy().into_owned()));
    home.commit("change");
    assert_eq!(home.run(&["run", "p"]).code, 0);
    let log = home.log(&home.executions("p").remove(0), "make");
    assert!(log.contains("line 1\n") && log.contains("line 400000\n"));
    // A file system without holes keeps it whole.
    if !log.contains(" cut here") && log.len() > 4 << 20 {
        return;
    }
    assert!(log.contains(" cut here: the log was too long"), "the cut is marked");
    assert!(!log.contains('\0') && log.len() < 2 << 20, "{} bytes", log.len());
}
