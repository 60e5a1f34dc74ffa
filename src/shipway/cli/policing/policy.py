"""Verbs about policies. None of them needs a controller."""

from pathlib import Path
from typing import Annotated

import typer

from shipway.cli.options import Home, Json

Policies = Annotated[
    list[Path] | None,
    typer.Option("--policies", "-p", metavar="DIR", help="Files and directories of policies; may be repeated."),
]
NoPack = Annotated[bool, typer.Option("--no-pack", help="Without the built-in rules.")]
Environment = Annotated[str, typer.Option("--env", metavar="NAME", help="Environment whose enforcement holds.")]


def check(
    paths: Annotated[list[str], typer.Argument(metavar="FILE|DIR|-", help="Objects and Applications; - reads stdin.")],
    *,
    policies: Policies = None,
    environment: Environment = "",
    form: Annotated[
        str,
        typer.Option(
            "--format", "-f", metavar="FORMAT", help="text, json, sarif, junit, policyreport, openreports, github."
        ),
    ] = "text",
    known: Annotated[
        Path | None, typer.Option("--facts", metavar="FILE", help="YAML with cost, traffic, errorBudget, image.")
    ] = None,
    platform: Annotated[
        Path | None,
        typer.Option("--platform", metavar="DIR", help="Organisation that Applications are compiled in."),
    ] = None,
    no_pack: NoPack = False,
    processes: Annotated[
        int, typer.Option("--processes", min=0, help="[default: one per core]", show_default=False)
    ] = 0,
    home: Home = None,
    json: Json = False,
) -> None:
    """Judge objects and Applications by policies.

    With a Platform (among the files, or by --platform) an Application is
    compiled and its objects are judged too, in --env or in all environments.
    Exits with 1 when a finding refuses, with 2 when a file or a policy cannot
    be used.

    Example: shipway policy check shop.yaml --platform . --env prod
    """
    import sys

    from shipway.cli.policing import checking, judging
    from shipway.facts import given
    from shipway.facts.home import home_directory
    from shipway.facts.policies import policies_beside

    asked = checking.Check(
        paths=tuple(paths),
        policies=tuple(map(str, policies_beside(platform, policies or []) if platform else policies or [])),
        environment=environment,
        pack=not no_pack,
        platform=str(platform or ""),
        home=str(home_directory(home)),
        known=given.facts_of(known) if known else {},
        processes=processes,
    )
    report, code = judging.checked(asked, "json" if json else form)
    sys.stdout.write(report + "\n" if report else "")
    raise typer.Exit(code)


def list_(
    policies: Policies = None, environment: Environment = "", no_pack: NoPack = False, json: Json = False
) -> None:
    """List rules, and what is done about each.

    Example: shipway policy list --env prod
    """
    from shipway.cli.output import show
    from shipway.cli.policing import judging

    rules = judging.listed(policies or [], environment, pack=not no_pack)
    show({"rules": rules}, judging.table(rules), json=json)


def explain(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Id of a rule, as `policy list` shows it.")],
    policies: Policies = None,
    environment: Environment = "",
    json: Json = False,
) -> None:
    """Say what a rule asks for, why, and how to keep it.

    Example: shipway policy explain run-as-non-root
    """
    from shipway.cli.output import show
    from shipway.cli.policing import judging

    found = judging.explained(rule, policies or [], environment)
    show(found, judging.explanation(found), json=json)


def run_tests(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the tests are.")] = Path(),
    json: Json = False,
) -> None:
    """Run tests of policies.

    Finds *_test.yaml (ours), kyverno-test.yaml (Kyverno's) and suite.yaml
    (Gatekeeper's). Exits with 1 when a case fails.

    Example: shipway policy test policies/
    """
    from shipway.cli.output import show
    from shipway.testing import policytests

    cases = policytests.run(directory)
    failed = [one for one in cases if not one.passed]
    lines = [f"{one.suite}: {one.name}: {one.cause}" for one in failed]
    total = f"{len(cases) - len(failed)} of {len(cases)} passed"
    show({"cases": cases, "failed": len(failed)}, "\n".join([*lines, total]), json=json)
    raise typer.Exit(1 if failed else 0)


def export(
    target: Annotated[str, typer.Option("--to", metavar="FORM", help="vap, kyverno or gatekeeper.")],
    policies: Policies = None,
    environment: Environment = "",
    no_pack: NoPack = False,
    json: Json = False,
) -> None:
    """Write CEL rules as manifests for a cluster.

    As native admission policies, for Kyverno or for Gatekeeper, enforced as
    they are here. Rules that need what only the platform knows are left out,
    and named.

    Example: shipway policy export --to vap --env prod > policies.yaml
    """
    from shipway.cli.output import note, show
    from shipway.cli.policing import judging

    found = judging.exported(policies or [], environment, target, pack=not no_pack)
    if json:
        show(found, "", json=True)
        return
    typer.echo(judging.as_yaml(found.manifests), nl=False)
    for policy, reason in found.left_out.items():
        note(f"left out {policy}: {reason}")


def report(
    *,
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="Releases of each application.")] = 20,
    policies: Policies = None,
    environment: Environment = "",
    platform: Annotated[
        Path | None,
        typer.Option("--platform", metavar="FILE|DIR", help="Platform that releases are compiled with."),
    ] = None,
    no_pack: NoPack = False,
    home: Home = None,
    json: Json = False,
) -> None:
    """Show what rules would have stopped among past releases.

    Judges the releases in the journal again, and what they are compiled to, by
    the rules as they are now. A rule in audit shows here what it would do if
    it denied. Without --env by what holds where each release was asked for.

    Example: shipway policy report --last 50 --env prod
    """
    from shipway.cli.output import show
    from shipway.cli.policing import retrospect
    from shipway.facts.home import home_directory

    asked = retrospect.LookingBack(
        home=home_directory(home),
        policies=policies or [],
        environment=environment,
        platform=platform,
        last=last,
        pack=not no_pack,
    )
    found = retrospect.look_back(asked)
    show(found, retrospect.table(found), json=json)


def decisions(
    app: Annotated[str, typer.Argument(metavar="[APP]", help="Only about this application.", show_default=False)] = "",
    *,
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="How many.")] = 20,
    replay: Annotated[
        bool, typer.Option("--replay", help="Judge the recorded facts again, by the rules as they are now.")
    ] = False,
    policies: Policies = None,
    platform: Annotated[
        Path | None,
        typer.Option("--platform", metavar="FILE|DIR", help="With --replay: Platform that rules know registries from."),
    ] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Show what policy decided about releases, and on which facts.

    Of every release that was asked for, those refused too: who asked, what the
    rules said, and what was known of cost, traffic and error budget.

    Example: shipway policy decisions shop --replay
    """
    from shipway.cli.output import show
    from shipway.cli.policing import decided
    from shipway.facts.home import home_directory

    wanted = (policies or []) if replay or policies else None
    found = decided.decided(home_directory(home), app, last, wanted, platform)
    show({"decisions": found}, decided.table(found), json=json)


def serve(
    *,
    policies: Annotated[
        Path | None,
        typer.Option("--policies", "-p", metavar="DIR", help="Directory of policies; changes are taken up."),
    ] = None,
    environment: Environment = "",
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8443,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that answer.")] = 1,
    certificate: Annotated[Path | None, typer.Option("--certificate", metavar="FILE", help="PEM; also --key.")] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="PEM of its private key.")] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--self-signed", metavar="HOST", help="Make a certificate for this host; may be repeated."),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain-http", help="Without TLS, behind a proxy that has it.")] = False,
    print_config: Annotated[bool, typer.Option("--print-config", help="Print the cluster's side and end.")] = False,
    service: Annotated[
        str, typer.Option("--service", metavar="NAMESPACE/NAME", help="For --print-config: Service of the webhook.")
    ] = "",
    inventory: Annotated[
        list[Path] | None,
        typer.Option("--inventory", metavar="DIR", help="Manifests of what else there is; may be repeated."),
    ] = None,
    remember: Annotated[
        bool, typer.Option("--remember", help="Add to that what it has admitted since its start.")
    ] = False,
    no_pack: NoPack = False,
    home: Home = None,
    json: Json = False,
) -> None:
    """Serve policies as a validating admission webhook.

    Answers /validate, /healthz and /metrics. Policies that change are taken
    up while it runs; no request is dropped for that. Rules about several
    objects need an --inventory, and are skipped without.

    Example: shipway policy serve -p policies --self-signed policy.infra
    """
    from shipway.facts.home import home_directory
    from shipway.model.errors import BadInput
    from shipway.web.admission import serving

    if names:
        certificate, key = serving.self_signed(home_directory(home) / "admission", names)
    if (certificate is None) != (key is None) or (certificate is None and not plain and not print_config):
        raise BadInput(
            "expected --certificate and --key",
            hint="Or --self-signed HOST, or --plain-http behind a proxy that has TLS.",
        )
    asked = serving.Serving(
        policies=str(policies) if policies else "",
        environment=environment,
        pack=not no_pack,
        host=host,
        port=port,
        workers=workers,
        certificate=str(certificate or ""),
        key=str(key or ""),
        inventory=tuple(str(one.absolute()) for one in inventory or ()),
        remember=remember,
    )
    if print_config:
        from shipway.cli.output import show

        config = serving.printed(asked, service)
        show({"configuration": config}, config.rstrip("\n"), json=json)
    else:
        serving.serve(asked)
