//! Fulfils what the ui wishes, and takes in what comes of it.

use std::{io, sync::Arc};

use ratatui::buffer::Buffer;

use super::{
    Answer, Dashboard, Flow, Lend, Look,
    hit::Hits,
    look, stream, text,
    ui::{Merged, Wish},
    views,
};
use crate::{
    engine::board::Severity,
    host::{clock, environment, log_merge},
    model::Timestamp,
    runtime::{Receipt, SubmitError},
};

impl Dashboard {
    pub(super) fn wish(&mut self, wish: Wish) -> io::Result<Flow> {
        match wish {
            Wish::Quit(leave) => return Ok(Flow::Quit(leave)),
            Wish::End(ending) => {
                let (handle, answers) = (self.handle.clone(), self.answers.clone());
                tokio::spawn(async move {
                    let result = handle.end(ending, environment::operator("dashboard")).await;
                    let result = result.map(|()| Receipt::default());
                    let _ = answers.send(Answer::Submitted(result)).await;
                });
            }
            Wish::Redraw => self.screen.terminal.clear()?,
            Wish::Suspend => self.screen.suspend()?,
            Wish::Theme(name) => match self.look.wear(&name) {
                Ok(()) => {
                    if let Some(warning) = self.look.theme.warnings.first() {
                        self.ui.say(Severity::Problem, format!("{name}: {warning}"), clock::now());
                    }
                }
                Err(error) => self.ui.say(Severity::Problem, error.to_string(), clock::now()),
            },
            Wish::KeepTheme => self.chosen_theme = Some(self.look.theme.name.clone()),
            Wish::Ask(question) => {
                let (handle, answers) = (self.handle.clone(), self.answers.clone());
                let asked = self.ui.knowledge.boards();
                tokio::spawn(async move {
                    let told = handle.look_up(question.clone()).await;
                    let _ = answers.send(Answer::Told(question, asked, told)).await;
                });
            }
            Wish::Copy(text) => self.copy(&text)?,
            Wish::Snapshot => {
                let text = self.picture();
                self.copy(&text)?;
            }
            Wish::Merge(logs) => {
                let with_path = |(name, id)| (name, self.handle.log_path(id));
                let logs: Vec<_> = logs.into_iter().map(with_path).collect();
                let (answers, attempts) = (self.answers.clone(), self.ui.attempts());
                tokio::spawn(async move {
                    let merged = tokio::task::spawn_blocking(move || log_merge::merge(&logs)).await;
                    let answer = match merged {
                        Ok(Ok(file)) => Answer::Merged(Box::new(Merged { attempts, file })),
                        Ok(Err(error)) => Answer::Failed(format!("cannot merge the logs: {error}")),
                        Err(error) => Answer::Failed(error.to_string()),
                    };
                    let _ = answers.send(answer).await;
                });
            }
            Wish::Pager(paged) => return Ok(Flow::Lend(Lend::Pager(paged))),
            Wish::Run(line) => return Ok(Flow::Lend(Lend::Line(line))),
            Wish::Stream(id) => return Ok(Flow::Lend(Lend::Stream(id))),
            Wish::ToggleMouse => {
                let words = if self.screen.toggle_mouse()? {
                    "mouse on; hold Shift to select text"
                } else {
                    "mouse off: the terminal selects text"
                };
                self.ui.say(Severity::Remark, words, clock::now());
            }
            Wish::Submit(operation) => {
                let (handle, answers) = (self.handle.clone(), self.answers.clone());
                tokio::spawn(async move {
                    let result = handle.submit(operation, environment::operator("dashboard")).await;
                    let _ = answers.send(Answer::Submitted(result)).await;
                });
            }
            Wish::LoadReview(token) => {
                let (handle, answers) = (self.handle.clone(), self.answers.clone());
                let board = Arc::clone(&self.ui.board);
                tokio::spawn(async move {
                    let Some(at) = board.open_gates().find(|at| at.gate.token == token) else {
                        return;
                    };
                    let review = Box::new(handle.review(at).await);
                    let _ = answers.send(Answer::Review(token, review)).await;
                });
            }
        }
        Ok(Flow::Continue)
    }

    /// Returns the screen as text that every chat can show.
    fn picture(&mut self) -> String {
        let area = self.screen.terminal.current_buffer_mut().area;
        let look = Look { glyphs: look::Glyphs::ASCII, ..self.look.clone() };
        let mut buffer = Buffer::empty(area);
        let scene = views::Scene { ui: &self.ui, look: &look, now: clock::now(), beat: self.beat };
        views::draw(&scene, area, &mut buffer, &mut Hits::default());
        text::of_buffer(&buffer)
    }

    /// Puts text into the clipboard of whoever sits at the terminal.
    fn copy(&mut self, text: &str) -> io::Result<()> {
        let words = match stream::copy(text)? {
            stream::Copied::Clipboard if text.lines().nth(1).is_none() => {
                format!("copied {}", text.trim_end())
            }
            stream::Copied::Clipboard => format!("copied {} lines", text.lines().count()),
            stream::Copied::File(path) => {
                format!("too long for the clipboard: it lies in {}", path.display())
            }
        };
        self.ui.say(Severity::Remark, words, clock::now());
        Ok(())
    }

    pub(super) fn answer(&mut self, answer: Answer) {
        let now: Timestamp = clock::now();
        match answer {
            Answer::Told(question, asked, told) => self.ui.told(question, asked, told, now),
            Answer::Merged(merged) => self.ui.merged = Some(*merged),
            Answer::Failed(words) => self.ui.say(Severity::Problem, words, now),
            Answer::Changed => {
                self.load_settings();
                let name = self.look.theme.name.clone();
                if let Err(error) = self.look.wear(&name) {
                    self.ui.say(Severity::Problem, error.to_string(), now);
                }
            }
            Answer::Attached(handle) => {
                self.board = handle.board();
                self.board_is_over = false;
                self.ui.disconnected = false;
                let newest = Arc::clone(&self.board.borrow_and_update());
                self.ui.set_board(newest);
                self.handle = handle;
                self.ui.say(Severity::Remark, "there is a runtime again", now);
            }
            Answer::Review(token, review) => self.ui.set_review(token, *review),
            Answer::Submitted(Ok(_)) => {}
            Answer::Submitted(Err(error)) => {
                let words = match error {
                    SubmitError::Refused(refusal) => format!("refused: {refusal}"),
                    other => other.to_string(),
                };
                self.ui.say(Severity::Problem, words, now);
            }
        }
    }
}
