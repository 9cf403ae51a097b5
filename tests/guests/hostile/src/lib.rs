//! A detector that does one thing that no policy should do, named by its parameter `does`.

mod acts;
mod reports;

/// Does what its parameter says.
#[wca_guest::detector]
mod hostile {
    use crate::{acts, reports};

    #[config]
    enum Does {
        LoopInConfigure,
        NowInConfigure,
        Loop,
        LoopInHostCalls,
        PollForAnHour,
        PollOnce,
        WaitForTheClock,
        Exit,
        TakeMemory,
        Recurse,
        Unreachable,
        KeepHandles,
        ManyRandomBytes,
        LongLine,
        ManyLines,
        ForgedLines,
        ManyMetrics,
        Names,
        Numbers,
        Labels,
        LongNames,
        OthersNames,
        AbsentSeries,
        AbsentColumn,
        ManyCulprits,
        FailInManyWays,
    }

    struct Config {
        does: Does,
        /// How often, or how many MiB.
        #[default(1)]
        times: u32,
    }

    #[derive(Default)]
    struct State {
        calls: u32,
    }

    fn validate(config: &Config) -> Result<(), String> {
        match config.does {
            Does::LoopInConfigure => acts::endless(),
            Does::NowInConfigure => {
                now::tick();
            }
            _ => {}
        }
        Ok(())
    }

    fn detect(config: &Config, state: &mut State) -> Result<(), String> {
        state.calls += 1;
        let times = config.times;
        match config.does {
            Does::LoopInConfigure | Does::NowInConfigure => {}
            Does::Loop => acts::endless(),
            Does::LoopInHostCalls => acts::endless_host_calls(),
            Does::PollForAnHour => acts::poll_for_an_hour(),
            Does::PollOnce => acts::poll_once(),
            Does::WaitForTheClock => acts::wait_for_the_clock(),
            Does::Exit => wasip2::cli::exit::exit(Ok(())),
            Does::TakeMemory => acts::take_memory(),
            Does::Recurse => acts::recurse(),
            Does::Unreachable => acts::unreachable(),
            Does::KeepHandles => acts::keep_handles(),
            Does::ManyRandomBytes => acts::random_bytes(times),
            Does::LongLine => acts::long_line(times),
            Does::ManyLines => acts::many_lines(times),
            Does::ForgedLines => acts::forged_lines(),
            Does::ManyMetrics => reports::many(times),
            Does::Names => reports::names(),
            Does::Numbers => reports::numbers(),
            Does::Labels => reports::labels(),
            Does::LongNames => reports::long_names(times),
            Does::OthersNames => reports::others_names(),
            Does::AbsentSeries => reports::absent_series(),
            Does::AbsentColumn => reports::absent_column(),
            Does::ManyCulprits => reports::many_culprits(times),
            Does::FailInManyWays => return Err(format!("failure {} of\nmany\u{1b}[2J", state.calls)),
        }
        Ok(())
    }
}
