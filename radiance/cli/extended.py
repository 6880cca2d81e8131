"""The top group of commands: the core's, and those of extensions once one of them is wanted.

Finding extensions reads the metadata of everything that is installed, a few hundredths of a second
that a command of the core does not wait for.
"""

import click

from radiance import extensions
from radiance.cli.output import Commands, keep_examples, note


class AllCommands(Commands):
    """A group whose extensions are found when it is listed, or asked for what it does not have."""

    _is_whole = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order of the alphabet."""
        self._add_extensions()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; the core's where an extension has the same."""
        if cmd_name not in self.commands:
            self._add_extensions()
        return super().get_command(ctx, cmd_name)

    def _add_extensions(self) -> None:
        if self._is_whole:
            return
        self._is_whole = True
        for extension in extensions.installed():
            try:
                found = extension.commands()
            except Exception as error:  # noqa: BLE001 - the others work without a stranger's
                note(f"Warning: the commands of the extension {extension.name} fail: {error}")
                continue
            for command in found:
                if command.name not in self.commands:
                    keep_examples(command)
                    self.add_command(command)
