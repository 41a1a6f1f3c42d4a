defmodule PythonxPort.InstallTest do
  # Installed into a scratch root, by make and as an RPM, and run from there.
  use ExUnit.Case, async: true

  import PythonxPort.Scratch

  @moduletag timeout: 300_000
  @limit 440 * 1024

  test "make install and make uninstall" do
    scratch = folder!()
    variables = "DESTDIR='#{scratch}/a root' PREFIX=/opt/py"

    run!("make -s #{variables} install", cd: root())

    assert files(scratch) == [
             "a root/opt/py/bin/pythonx_port",
             "a root/opt/py/lib/pythonx_port/pythonx_engine.so",
             "a root/opt/py/lib/pythonx_port/pythonx_host.so",
             "a root/opt/py/lib/pythonx_port/pythonx_terms.escript",
             "a root/opt/py/share/man/man1/pythonx_port.1"
           ]

    one_and_one!(Path.join(scratch, "a root/opt/py/bin/pythonx_port"))

    # What others have there stays.
    write!(scratch, %{"a root/opt/py/bin/other" => ""})
    run!("make -s #{variables} uninstall", cd: root())
    assert files(scratch) == ["a root/opt/py/bin/other"]
  end

  test "the program and the engine are small" do
    scratch = folder!()
    run!("make -s DESTDIR='#{scratch}' install", cd: root())

    sizes =
      for file <- [
            "bin/pythonx_port",
            "lib/pythonx_port/pythonx_engine.so",
            "lib/pythonx_port/pythonx_host.so"
          ],
          do: File.stat!(Path.join([scratch, "usr/local", file])).size

    assert Enum.sum(sizes) < @limit
  end

  @tag :slow
  @tag :rpm
  test "the RPM" do
    folder = folder!()
    place = copy_sources!(Path.join(folder, "sources"))
    git_url!(place)

    run!("make -s rpm", cd: place)

    assert [source] = Path.wildcard(Path.join(place, "build/rpm/SRPMS/*.src.rpm"))
    assert run!("rpm -qpl '#{source}'", cd: folder) =~ "pythonx_port.spec\n"
    assert [binary] = Path.wildcard(Path.join(place, "build/rpm/RPMS/*/pythonx_port-[0-9]*.rpm"))

    assert run!("rpm -qp --queryformat '%{version} %{license}' '#{binary}'", cd: folder) ==
             "#{Mix.Project.config()[:version]} Apache-2.0"

    scratch = Path.join(folder, "root")
    File.mkdir_p!(scratch)
    run!("rpm2archive - <'#{binary}' | tar xzf - -C '#{scratch}'", cd: folder)
    File.rm_rf!(place)
    assert Enum.any?(files(scratch), &String.contains?(&1, "share/man/man1/pythonx_port.1"))
    one_and_one!(Path.join(scratch, "usr/bin/pythonx_port"))
  end

  defp files(folder) do
    for path <- Path.wildcard(Path.join(folder, "**"), match_dot: true),
        not File.dir?(path),
        do: Path.relative_to(path, folder)
  end
end
