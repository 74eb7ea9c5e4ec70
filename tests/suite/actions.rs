//! What actions do: workspaces, environment, secrets, timeouts, artifacts, deploys.

use std::os::unix::fs::MetadataExt;

use crate::support::{Home, eventually, pipeline, stage};

fn run(stages: &str) -> (Home, i32) {
    let home = Home::with_pipeline(&pipeline("p", "main", stages));
    let code = home.run(&["run", "p"]).code;
    (home, code)
}

fn newest(home: &Home) -> serde_json::Value {
    home.executions("p").remove(0)
}

#[test]
fn commands_run_in_order_in_one_shell_and_the_first_failure_ends_them() {
    let commands =
        r#"commands = ["cd /", "X=kept", "echo $X in $PWD", "false && true", "echo never"]"#;
    let (home, code) = run(&stage("Build", "make", commands));
    assert_eq!(code, 1);
    let log = home.log(&newest(&home), "make");
    assert!(log.contains("\nkept in /\n"), "{log}");
    assert!(!log.contains("\nnever\n"), "{log}");
    let action = home.action(&newest(&home), "make").unwrap();
    assert_eq!(action["output"]["executionResult"]["errorDetails"]["message"], "exit code 1");
}

#[test]
fn a_secret_reaches_the_action_and_nothing_else() {
    let stages = stage(
        "Build",
        "make",
        r#"commands = ["printf 'hun'; sleep 0.05; echo \"ter2 $TOKEN\"", "test ${#TOKEN} -eq 7", "echo $PLAIN"]
environment_variables = [
  { name = "TOKEN", value = "env:MY_TOKEN", type = "SECRET" },
  { name = "PLAIN", value = "at #{app.BranchName}" },
]"#,
    );
    let mut home = Home::with_pipeline(&pipeline("p", "main", &stages));
    home.environment.push(("MY_TOKEN".to_owned(), "hunter2".to_owned()));
    assert_eq!(home.run(&["run", "p"]).code, 0);
    let log = home.log(&newest(&home), "make");
    assert!(log.contains("**** ****") && log.contains("at main"), "{log}");
    assert_no_file_holds(&home, b"hunter2", &[]);
}

/// Looks at everything below the state directory, apart from folders with these names.
#[track_caller]
fn assert_no_file_holds(home: &Home, secret: &[u8], apart_from: &[&str]) {
    let state_dir = walkdir::WalkDir::new(home.state_dir()).into_iter();
    let looked_at = state_dir.filter_entry(|entry| {
        !apart_from.iter().any(|name| entry.file_name().to_str() == Some(*name))
    });
    for entry in looked_at.flatten().filter(|entry| entry.file_type().is_file()) {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        let found = memchr::memmem::find(&bytes, secret).is_some();
        assert!(!found, "{} holds the secret", entry.path().display());
    }
}

#[test]
fn a_secret_comes_from_a_command_and_is_masked_in_base64_and_urls_too() {
    let stages = stage(
        "Build",
        "make",
        r#"commands = [
  "printf 'user:%s' \"$T\" | base64",
  "printf 'https://h/?q=%s\\n' $(printf %s \"$T\" | sed 's/+/%2B/; s/ /%20/')",
  "echo plain $T",
]
environment_variables = [{ name = "T", value = "command:printf 'a+b c-hunter'", type = "SECRET" }]"#,
    );
    let (home, code) = run(&stages);
    assert_eq!(code, 0);
    let log = home.log(&newest(&home), "make");
    assert!(log.contains("q=****\n") && log.contains("plain ****\n"), "{log}");
    for leak in ["hunter", "aHVudGVy", "h1bnRlc", "odW50ZX"] {
        assert!(!log.contains(leak), "{leak} in {log}");
    }
    let failing = stage(
        "Build",
        "make",
        r#"commands = ["true"]
environment_variables = [{ name = "T", value = "command:echo no-secret >&2; exit 3", type = "SECRET" }]"#,
    );
    let home = Home::with_pipeline(&pipeline("p", "main", &failing));
    let finished = home.run(&["run", "p"]);
    assert_eq!(finished.code, 1);
    assert!(finished.stdout.contains("sh ended with exit status: 3"), "{}", finished.stdout);
}

#[test]
fn a_secret_in_an_artifact_or_a_variable_fails_the_action() {
    let secret =
        r#"environment_variables = [{ name = "T", value = "env:MY_TOKEN", type = "SECRET" }]"#;
    for (rest, words) in [
        (
            r#"commands = ["echo $T > out.txt"]
output_artifacts = [{ name = "o", files = ["out.txt"] }]"#,
            "contains the value of a secret",
        ),
        (
            r#"commands = ["V=$T"]
output_variables = ["V"]"#,
            "contains the value of a secret",
        ),
    ] {
        let stages = stage("Build", "make", &format!("{rest}\n{secret}"));
        let mut home = Home::with_pipeline(&pipeline("p", "main", &stages));
        home.environment.push(("MY_TOKEN".to_owned(), "hunter2".to_owned()));
        let finished = home.run(&["run", "p"]);
        assert_eq!(finished.code, 1);
        assert!(finished.stdout.contains(words), "{}", finished.stdout);
        assert_no_file_holds(&home, b"hunter2", &["workspaces"]);
    }
}

#[test]
fn a_missing_secret_and_a_missing_shell_say_what_to_do() {
    let secret = stage(
        "Build",
        "make",
        r#"commands = ["true"]
environment_variables = [{ name = "T", value = "env:NOT_THERE", type = "SECRET" }]"#,
    );
    let shell = stage(
        "Build",
        "make",
        r#"commands = ["true"]
configuration = { Shell = "no-such-shell" }"#,
    );
    for (stages, words) in [
        (secret, "the secret T is not there: the runtime's environment has no variable NOT_THERE"),
        (shell, "cannot start no-such-shell"),
    ] {
        let home = Home::with_pipeline(&pipeline("p", "main", &stages));
        let finished = home.run(&["run", "p"]);
        assert_eq!(finished.code, 1);
        assert!(finished.stdout.contains(words), "{}", finished.stdout);
        assert_no_file_holds(&home, b"hunter2", &["workspaces"]);
    }
}

#[test]
fn a_timeout_ends_the_whole_process_group() {
    let stages = stage(
        "Build",
        "make",
        r#"commands = ["sleep 300 & echo $! > $MARK", "sleep 300"]
timeout = "1s""#,
    );
    let mut home = Home::with_pipeline(&pipeline("p", "main", &stages));
    let mark = home.root().join("grandchild");
    home.environment.push(("MARK".to_owned(), mark.to_string_lossy().into_owned()));
    let finished = home.run(&["run", "p"]);
    assert_eq!(finished.code, 5, "{}{}", finished.stdout, finished.stderr);
    assert!(finished.stdout.contains("timed out after 1s"), "{}", finished.stdout);
    let pid = std::fs::read_to_string(mark).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    eventually("the grandchild is gone", || {
        let stat = std::fs::read_to_string(&stat).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
}

#[test]
fn an_action_ends_with_its_shell_even_if_something_holds_its_output() {
    let (home, code) = run(&stage("Build", "make", r#"commands = ["sleep 300 &", "echo done"]"#));
    assert_eq!(code, 0);
    assert!(home.log(&newest(&home), "make").contains("\ndone\n"));
}

#[test]
fn workspaces_are_reset_and_the_cache_stays() {
    let stages = stage(
        "Build",
        "make",
        r#"commands = [
  "test ! -e left-over", "echo x > left-over", "echo changed >> file.txt",
  "mkdir -p target/deep", "echo run >> target/deep/count", "wc -l < target/deep/count",
]
cache = ["target"]"#,
    );
    let home = Home::with_pipeline(&pipeline("p", "main", &stages));
    std::fs::write(home.repository().join("same.txt"), "same").unwrap();
    home.git(&["add", "same.txt"]);
    home.commit("second");
    assert_eq!(home.run(&["run", "p"]).code, 0);
    let workspace = home.state_dir().join("workspaces/p/main/Build/make/src");
    let stamp = |name: &str| {
        let metadata = std::fs::metadata(workspace.join(name)).unwrap();
        (metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
    };
    let before = stamp("same.txt");
    home.commit("third");
    assert_eq!(home.run(&["run", "p"]).code, 0);
    assert_eq!(stamp("same.txt"), before, "an unchanged file keeps its time");
    let text = std::fs::read_to_string(workspace.join("file.txt")).unwrap();
    assert_eq!(text, "first\nsecond\nthird\nchanged\n");
    let log = home.log(&newest(&home), "make");
    assert!(log.ends_with("\n2\n"), "the cache was kept: {log}");
}

#[test]
fn artifacts_carry_what_their_globs_say_and_modes_stay() {
    let stages = stage(
        "Build",
        "make",
        r#"commands = [
  "mkdir -p out/a/b", "printf 'one\r\n' > out/a/one.txt", "echo two > out/a/b/two.txt",
  "echo no > out/a/b/no.tmp", "echo '#!/bin/sh' > out/run", "chmod +x out/run", "ln -s run out/link",
]
output_artifacts = [{ name = "dist", files = ["**/*"], base_directory = "out", exclude = ["**/*.tmp"] }]"#,
    ) + &stage(
        "Use",
        "check",
        r#"input_artifacts = ["dist", "app"]
commands = [
  "find . | sort", "test -x run", "test -L link", "test ! -e a/b/no.tmp",
  "printf 'one\r\n' | cmp - a/one.txt", "test -f \"$STAGEGATE_SRC_DIR_app/file.txt\"",
]"#,
    );
    let (home, code) = run(&stages);
    assert_eq!(code, 0, "{}", home.log(&newest(&home), "check"));
}

#[test]
fn an_output_artifact_without_files_fails_the_action() {
    let (home, code) = run(&stage(
        "Build",
        "make",
        r#"commands = ["true"]
output_artifacts = [{ name = "dist", files = ["dist/**"] }]"#,
    ));
    assert_eq!(code, 1);
    let action = home.action(&newest(&home), "make").unwrap();
    let message = &action["output"]["executionResult"]["errorDetails"]["message"];
    assert_eq!(message, "no file matches dist/** of output artifact dist");
}

#[test]
fn output_variables_reach_later_actions() {
    let stages = stage(
        "Build",
        "make",
        r#"commands = ["V='a b'\"'\"'c'"]
output_variables = ["V", "UNSET"]"#,
    ) + &stage("Use", "use", r#"commands = ["cat <<'END'\n#{make.V}\nEND"]"#);
    let (home, code) = run(&stages);
    assert_eq!(code, 0);
    let execution = newest(&home);
    assert!(home.log(&execution, "use").ends_with("a b'c\n"));
    let input = home.action(&execution, "use").unwrap()["input"].clone();
    assert!(input["commands"][0].as_str().unwrap().contains("#{make.V}"), "{input}");
    assert!(input["resolvedCommands"][0].as_str().unwrap().contains("a b'c"), "{input}");
}

#[test]
fn a_directory_deploy_switches_atomically_and_keeps_the_last_releases() {
    let stages = r#"[[stage]]
name = "Deploy"
[[stage.action]]
name = "ship"
category = "Deploy"
provider = "Directory"
configuration = { TargetPath = "../target", KeepReleases = "2" }
"#;
    let home = Home::with_pipeline(&pipeline("p", "main", stages));
    let target = home.root().join("target");
    let mut links = Vec::new();
    for number in 0..3 {
        home.commit(&format!("change {number}"));
        assert_eq!(home.run(&["run", "p"]).code, 0);
        links.push(std::fs::read_link(target.join("current")).unwrap());
        let text = std::fs::read_to_string(target.join("current/file.txt")).unwrap();
        assert!(text.ends_with(&format!("change {number}\n")));
    }
    assert!(!target.join(&links[0]).exists(), "the oldest release is gone");
    assert!(target.join(&links[1]).exists(), "the one before can be switched back to");
    let names: Vec<_> =
        std::fs::read_dir(&target).unwrap().flatten().map(|it| it.file_name()).collect();
    assert_eq!(names.len(), 2, "nothing half-made is left: {names:?}");
}

#[test]
fn a_current_that_is_no_link_is_not_replaced() {
    let stages = r#"[[stage]]
name = "Deploy"
[[stage.action]]
name = "ship"
category = "Deploy"
provider = "Directory"
configuration = { TargetPath = "../target" }
"#;
    let home = Home::with_pipeline(&pipeline("p", "main", stages));
    let current = home.root().join("target/current");
    std::fs::create_dir_all(&current).unwrap();
    std::fs::write(current.join("precious"), "data").unwrap();
    let finished = home.run(&["run", "p"]);
    assert_eq!(finished.code, 1);
    assert!(finished.stdout.contains("is not a link made by a deploy"), "{}", finished.stdout);
    assert!(current.join("precious").exists());
}

#[test]
fn the_variable_of_a_secret_is_withheld_from_actions_that_do_not_ask_for_it() {
    let stages = stage(
        "Build",
        "make",
        r#"commands = ['test "$TOKEN" = hunter2']
environment_variables = [{ name = "TOKEN", value = "env:MY_TOKEN", type = "SECRET" }]"#,
    ) + &stage("Test", "look", r#"commands = ['test -z "$MY_TOKEN"']"#);
    let mut home = Home::with_pipeline(&pipeline("p", "main", &stages));
    home.environment.push(("MY_TOKEN".to_owned(), "hunter2".to_owned()));
    let finished = home.run(&["run", "p"]);
    assert_eq!(finished.code, 0, "{}", finished.stdout);
}

#[test]
fn an_action_is_over_only_when_everything_it_started_is() {
    let (home, code) = run(&stage(
        "Build",
        "make",
        r#"commands = ["sleep 300 >/dev/null 2>&1 &", "echo pid=$!"]"#,
    ));
    assert_eq!(code, 0);
    let log = home.log(&newest(&home), "make");
    let pid = log.lines().find_map(|line| line.strip_prefix("pid=")).unwrap();
    assert!(!std::path::Path::new("/proc").join(pid).exists(), "{pid} still runs");
}

#[test]
fn a_stopped_action_may_clean_up_even_when_its_shell_is_gone() {
    let child = "trap 'sleep 1; echo cleaned; exit' TERM; echo ready; while :; do sleep 0.05; done";
    let commands = format!(r#"commands = ["({child}) & wait"]"#);
    let home = Home::with_pipeline(&pipeline("p", "main", &stage("Build", "make", &commands)));
    let watch = home.watch();
    home.ok(&["start", "p"]);
    let execution = eventually("the child is ready", || {
        let newest = home.executions("p").into_iter().next()?;
        let logs = home.run(&["logs", newest["pipelineExecutionId"].as_str()?, "make"]);
        logs.stdout.contains("\nready").then_some(newest)
    });
    let id = execution["pipelineExecutionId"].as_str().unwrap();
    home.ok(&["stop", "p", "--execution", id, "--abandon"]);
    eventually("the child has cleaned up", || {
        home.log(&execution, "make").contains("\ncleaned").then_some(())
    });
    drop(watch);
}

#[test]
fn a_pipe_inside_an_artifact_is_refused_by_name_and_any_other_name_is_kept() {
    let action = |file: &str| {
        let make = r#"commands = ["mkdir out", "mkfifo out/pipe", "touch \"out/$(printf 'caf\\351')\""]
environment_variables = [{ name = "TOKEN", value = "env:MY_TOKEN", type = "SECRET" }]
output_artifacts = [{ name = "out", base_directory = "out", files = ["FILE"] }]"#;
        let count = "input_artifacts = [\"out\"]\ncommands = [\"test $(ls | wc -l) -eq 1\"]";
        let stages = stage("Build", "make", &make.replace("FILE", file));
        pipeline("p", "main", &(stages + &stage("Test", "count", count)))
    };
    let mut home = Home::with_pipeline(&action("**"));
    home.environment.push(("MY_TOKEN".to_owned(), "hunter2".to_owned()));
    let finished = home.run(&["run", "p"]);
    assert_eq!(finished.code, 1, "{}", finished.stdout);
    assert!(
        finished.stdout.contains("out/pipe is a pipe, socket or device"),
        "{}",
        finished.stdout
    );
    home.write_pipeline(&action("caf*"));
    let finished = home.run(&["run", "p"]);
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
}

#[test]
fn a_repository_inside_an_artifact_is_refused_by_name() {
    let (home, code) = run(&stage(
        "Build",
        "make",
        r#"commands = ["mkdir -p out/dep", "git init -q out/dep", "echo x > out/dep/x", "echo y > out/y"]
output_artifacts = [{ name = "o", files = ["out/**"] }]"#,
    ));
    assert_eq!(code, 1);
    let action = home.action(&newest(&home), "make").unwrap();
    let message = action["output"]["executionResult"]["errorDetails"]["message"].to_string();
    assert!(message.contains("out/dep is a git repository of its own"), "{message}");
}

#[test]
fn test_reports_are_kept_also_of_a_failed_action_and_hold_no_secret() {
    let stages = stage(
        "Test",
        "unit",
        r#"commands = ['''cat > out.xml <<EOF
<testsuite name="cart">
<testcase name="adds"/><testcase name="rounds"><failure message="got $TOKEN"/></testcase>
</testsuite>
EOF
exit 4''']
reports = ["*.xml"]
environment_variables = [{ name = "TOKEN", value = "env:CART_TOKEN", type = "SECRET" }]"#,
    );
    let home = Home::with_pipeline(&pipeline("shop", "main", &stages));
    let output = home.command(&["run", "shop"]).env("CART_TOKEN", "s3cr3t-value").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let execution = home.newest_becomes("shop", "Failed");
    let shown = home.ok(&["show", execution["pipelineExecutionId"].as_str().unwrap()]);
    assert!(shown.contains("tests: 1 passed, 1 failed, 0 skipped"), "{shown}");
    assert!(shown.contains("failed: cart rounds"), "{shown}");
    let kept = walkdir::WalkDir::new(home.state_dir().join("logs")).into_iter().flatten();
    let reports: Vec<_> = kept.filter(|it| it.path().ends_with("0000-out.xml")).collect();
    let text = std::fs::read_to_string(reports[0].path()).unwrap();
    assert!(text.contains("got ****") && !text.contains("s3cr3t"), "{text}");
}
