// Serves the harness over a socket: monitor commands, counted runs, memory. One Renode so does many runs.
//
// It ends, and takes Renode with it, when the other side closes the socket, however that came about.
using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;

using Antmicro.Renode.Core;
using Antmicro.Renode.Logging;
using Antmicro.Renode.Peripherals;
using Antmicro.Renode.Peripherals.Bus;
using Antmicro.Renode.Peripherals.CPU;
using Antmicro.Renode.Peripherals.UART;
using Antmicro.Renode.UserInterface;
using Antmicro.Renode.Utilities;

namespace Harness
{
    public static class SessionCommands
    {
        public static void ServeHarness(this Emulation emulation, string socket)
        {
            Session.Serve(socket);
        }
    }

    // Address space in which nothing is: an access to it is a fault.
    public sealed class UnmappedSpace : IBytePeripheral, IWordPeripheral, IDoubleWordPeripheral, IQuadWordPeripheral
    {
        public UnmappedSpace(TranslationCPU cpu, ulong begin)
        {
            this.cpu = cpu;
            this.begin = begin;
        }

        public void Reset()
        {
        }

        public byte ReadByte(long offset) => (byte)Read(offset);

        public ushort ReadWord(long offset) => (ushort)Read(offset);

        public uint ReadDoubleWord(long offset) => Read(offset);

        public ulong ReadQuadWord(long offset) => Read(offset);

        public void WriteByte(long offset, byte value) => Fault(offset, IsWrite);

        public void WriteWord(long offset, ushort value) => Fault(offset, IsWrite);

        public void WriteDoubleWord(long offset, uint value) => Fault(offset, IsWrite);

        public void WriteQuadWord(long offset, ulong value) => Fault(offset, IsWrite);

        private uint Read(long offset)
        {
            Fault(offset, 0);
            return 0;
        }

        private void Fault(long offset, uint isWrite)
        {
            BlockCounter.Fail(Stop.Memory, (uint)cpu.PC.RawValue, (uint)(begin + (ulong)offset), isWrite);
        }

        private const uint IsWrite = 1;

        private readonly TranslationCPU cpu;
        private readonly ulong begin;
    }

    public static class Session
    {
        public static void Serve(string path)
        {
            if(OperatingSystem.IsLinux())
            {
                prctl(EndWithParent, Kill, 0, 0, 0);
            }
            using(var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
            {
                try
                {
                    socket.Connect(new UnixDomainSocketEndPoint(path));
                }
                catch(SocketException)
                {
                    End();
                }
                stream = new NetworkStream(socket);
                folder = Path.GetDirectoryName(path);
                new Thread(ReadCommands) { IsBackground = true, Name = "harness commands" }.Start();
                foreach(var command in commands.GetConsumingEnumerable())
                {
                    try
                    {
                        Do(command);
                    }
                    catch(Exception problem)
                    {
                        Send('E', Encoding.UTF8.GetBytes($"{problem.GetType().Name}: {problem.Message}"));
                    }
                    Send('D', Array.Empty<byte>());
                }
            }
        }

        private static void ReadCommands()
        {
            try
            {
                using(var reader = new StreamReader(stream, Encoding.UTF8))
                {
                    for(var line = reader.ReadLine(); line != null; line = reader.ReadLine())
                    {
                        if(line == "stop")
                        {
                            stopped.Set(); // in the midst of a run, and it has no answer of its own
                        }
                        else
                        {
                            commands.Add(line);
                        }
                    }
                }
            }
            catch(IOException)
            {
                // The harness was killed.
            }
            End();
        }

        // At once: an orderly exit waits for an emulation that may hang.
        private static void End()
        {
            try
            {
                Directory.Delete(folder, true);
            }
            catch(Exception)
            {
                // The harness was there first.
            }
            Process.GetCurrentProcess().Kill();
        }

        private static void Do(string line)
        {
            var parts = line.Split(' ', 2);
            var arguments = parts.Length > 1 ? parts[1] : "";
            switch(parts[0])
            {
            case "monitor":
                Execute(arguments);
                break;
            case "count":
                Count(arguments.Split(' '));
                break;
            case "run":
                Run(TimeSpan.FromSeconds(double.Parse(arguments, CultureInfo.InvariantCulture)));
                break;
            case "dump":
                Send('C', Counts());
                break;
            case "memory":
                var numbers = arguments.Split(' ').Select(ulong.Parse).ToArray();
                Send('M', Machine.SystemBus.ReadBytes(numbers[0], (int)numbers[1], true));
                break;
            case "clear":
                EmulationManager.Instance.Clear();
                BlockCounter.Release();
                break;
            default:
                throw new ArgumentException($"no command {parts[0]}");
            }
        }

        private static void Execute(string command)
        {
            var interaction = new CommandInteractionEater();
            var done = ObjectCreator.Instance.GetSurrogate<Antmicro.Renode.UserInterface.Monitor>().Parse(command, interaction);
            Send('O', Encoding.UTF8.GetBytes(interaction.GetContents()));
            if(!done || interaction.HasError)
            {
                Send('E', Encoding.UTF8.GetBytes(interaction.GetError()));
            }
        }

        // Arguments: the file of settings, the name of the core, the name of the UART that is listened to or "-".
        private static void Count(string[] arguments)
        {
            var machine = Machine;
            cpu = (TranslationCPU)machine[arguments[1]];
            using(var reader = new BinaryReader(File.OpenRead(arguments[0])))
            {
                BlockCounter.Attach(cpu, new CounterSettings(reader));
            }
            stopped.Reset();
            BlockCounter.Stopped += stopped.Set;
            cpu.Halted += OnHalted;
            transmitted.Clear();
            if(arguments[2] != "-")
            {
                ((IUART)machine[arguments[2]]).CharReceived += OnCharacter;
            }
            GuardUnmapped(machine);
        }

        private static IMachine Machine => EmulationManager.Instance.CurrentEmulation.Machines.Single();

        private static void OnHalted(HaltArguments halt)
        {
            if(halt.Reason == HaltReason.Abort)
            {
                BlockCounter.Fail(Stop.Abort, (uint)cpu.PC.RawValue, 0, 0);
            }
        }

        private static void OnCharacter(byte character)
        {
            lock(transmitted)
            {
                transmitted.Add(character);
            }
        }

        private static void GuardUnmapped(IMachine machine)
        {
            var end = 0ul;
            var taken = machine.SystemBus.GetRegisteredPeripherals()
                .Select(registered => registered.RegistrationPoint.Range).OrderBy(range => range.StartAddress).ToArray();
            foreach(var range in taken)
            {
                Guard(machine, end, range.StartAddress);
                end = Math.Max(end, range.EndAddress + 1);
            }
            Guard(machine, end, 1ul << 32);
        }

        private static void Guard(IMachine machine, ulong begin, ulong end)
        {
            if(begin < end)
            {
                machine.SystemBus.Register(new UnmappedSpace(cpu, begin), new BusRangeRegistration(begin, end - begin));
            }
        }

        private static void Run(TimeSpan timeout)
        {
            var emulation = EmulationManager.Instance.CurrentEmulation;
            var watch = Stopwatch.StartNew();
            emulation.StartAll();
            while(!stopped.Wait(ReportPeriod) && watch.Elapsed < timeout)
            {
                SendTransmitted();
                Send('P', BitConverter.GetBytes(BlockCounter.Steps));
            }
            var late = BlockCounter.Stop == Stop.None;
            var seconds = watch.Elapsed.TotalSeconds;
            emulation.PauseAll();
            BlockCounter.CloseTotals();
            Logger.Flush();
            SendTransmitted();
            Send('P', BitConverter.GetBytes(BlockCounter.Steps));
            SendEnd(late, seconds);
        }

        private static void SendTransmitted()
        {
            byte[] bytes;
            lock(transmitted)
            {
                bytes = transmitted.ToArray();
                transmitted.Clear();
            }
            if(bytes.Length > 0)
            {
                Send('U', bytes);
            }
        }

        private static void SendEnd(bool late, double seconds)
        {
            using(var memory = new MemoryStream())
            using(var writer = new BinaryWriter(memory))
            {
                writer.Write((uint)BlockCounter.Stop);
                writer.Write(late ? 1u : 0u);
                writer.Write(BlockCounter.StopPc);
                writer.Write(BlockCounter.StopAddress);
                writer.Write(BlockCounter.StopDetail);
                writer.Write(BlockCounter.CurrentContext);
                writer.Write(BlockCounter.PreviousSlot);
                writer.Write(BlockCounter.RegionCalls);
                for(var i = 0; i < 16; i++)
                {
                    writer.Write(late ? (uint)cpu.GetRegister(i).RawValue : BlockCounter.StopRegisters[i]);
                }
                writer.Write(cpu.ExecutedInstructions);
                writer.Write(BlockCounter.Steps);
                writer.Write(seconds);
                Send('S', memory.ToArray());
            }
        }

        private static unsafe byte[] Counts()
        {
            using(var memory = new MemoryStream())
            using(var writer = new BinaryWriter(memory))
            {
                var slots = (int)BlockCounter.SlotCount;
                var conditions = (int)BlockCounter.ConditionRows;
                writer.Write(BlockCounter.Contexts.Count);
                writer.Write(slots);
                writer.Write(conditions);
                writer.Write(BlockCounter.PatternCount + 1);
                writer.Write(new ReadOnlySpan<byte>(BlockCounter.Slots, slots * sizeof(Slot)));
                foreach(var context in BlockCounter.Contexts)
                {
                    writer.Write(context.Phase);
                    writer.Write(context.Layer);
                    writer.Write(context.StackLow);
                    foreach(var register in context.Registers)
                    {
                        writer.Write(register);
                    }
                    writer.Write(context.Stack.Length);
                    writer.Write(context.Stack);
                    foreach(var total in context.Totals)
                    {
                        writer.Write(total);
                    }
                    if(context.Cells != null)
                    {
                        writer.Write(new ReadOnlySpan<byte>(context.Cells, slots * sizeof(Cell)));
                        writer.Write(new ReadOnlySpan<byte>(context.Conditions, conditions * 16 * sizeof(ulong)));
                    }
                }
                return memory.ToArray();
            }
        }

        private static void Send(char kind, byte[] payload)
        {
            var header = new byte[5];
            header[0] = (byte)kind;
            BitConverter.TryWriteBytes(header.AsSpan(1), payload.Length);
            stream.Write(header);
            stream.Write(payload);
        }

        [DllImport("libc")]
        private static extern int prctl(int option, nuint signal, nuint unused3, nuint unused4, nuint unused5);

        private const int EndWithParent = 1, Kill = 9; // PR_SET_PDEATHSIG, SIGKILL
        private static readonly TimeSpan ReportPeriod = TimeSpan.FromMilliseconds(100);
        private static readonly BlockingCollection<string> commands = new BlockingCollection<string>();
        private static readonly ManualResetEventSlim stopped = new ManualResetEventSlim();
        private static readonly List<byte> transmitted = new List<byte>();
        private static NetworkStream stream;
        private static TranslationCPU cpu;
        private static string folder = "";
    }
}
