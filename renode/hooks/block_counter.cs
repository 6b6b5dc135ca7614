// Counts the blocks that Renode executes, into plain memory: one call a block, as little in it as can be.
//
// Renode calls a delegate through wrappers at every block, which costs more than the block itself. So the entry points
// of the translation library that take these callbacks are given bare function pointers instead.
//
// A block is counted in a slot, keyed by its address and its number of instructions: the end of a time quantum may cut
// it short. Every context (phase, layer) has its own cells. What needs a look of its own is made to begin a block: before
// the translator starts one, it is told how many instructions there are up to the next such place (`distances`). At an
// instruction that begins an IT block the flags are counted, from which the harness tells whose condition held.
//
// All of it means what it means in harness/engine/block_hook.c, which does the same for Unicorn.
using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

using Antmicro.Renode.Peripherals.CPU;

namespace Harness
{
    // Keep equal to class Stop in harness/engine/renode/counts.py.
    public enum Stop : uint
    {
        None, Finished, OutsideCode, Marker, Contexts, Slots, Stack, NotCut, Break, Memory, Exception, Abort, Region,
    }

    // Keep equal to class Mark in harness/engine/renode/counts.py.
    [Flags]
    public enum Mark : byte
    {
        None = 0, Code = 1, Wide = 2, Conditions = 4, Stack = 8, Break = 16,
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct Slot
    {
        public uint Pc, Instructions, End;
        public uint Key;        // the number of instructions, and flags when an entry needs more than counting
        public uint Next;       // the slot of the same address with another length, 0 for none
        public uint Conditions; // the row of counts of flags, 0 for none
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct Cell
    {
        public ulong Count, Taken;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct Range
    {
        public uint Begin, Halfwords, FirstIndex;
    }

    public sealed unsafe class Context
    {
        public const uint NoStack = uint.MaxValue;

        public uint Phase;
        public int Layer;
        public uint StackLow = NoStack;
        public uint[] Registers = new uint[16];
        public byte[] Stack = Array.Empty<byte>();
        public Cell* Cells;
        public ulong* Conditions;
        public ulong[] Totals = Array.Empty<ulong>();
    }

    public sealed class CounterSettings
    {
        public const uint NoAddress = 1;

        public CounterSettings(BinaryReader reader)
        {
            Profile = reader.ReadUInt32() != 0;
            Phases = reader.ReadUInt32();
            LoadPhase = reader.ReadUInt32();
            Marker = reader.ReadUInt32();
            Finish = reader.ReadUInt32();
            AnyElf = reader.ReadUInt32() != 0;
            RegionBegin = reader.ReadUInt32();
            RegionEnd = reader.ReadUInt32();
            RegionCall = reader.ReadUInt32();
            StackLimit = reader.ReadUInt32();
            StackTop = reader.ReadUInt32();
            Reset = reader.ReadUInt32();
            var patterns = reader.ReadUInt32();
            for(var i = 0; i < patterns; i++)
            {
                Patterns.Add((reader.ReadUInt16(), reader.ReadUInt16()));
            }
            var ranges = reader.ReadUInt32();
            for(var i = 0; i < ranges; i++)
            {
                Ranges.Add(new Range
                {
                    Begin = reader.ReadUInt32(), Halfwords = reader.ReadUInt32(), FirstIndex = Halfwords,
                });
                Halfwords += Ranges[i].Halfwords;
            }
            Marks = reader.ReadBytes((int)Halfwords);
            Distances = reader.ReadBytes((int)Halfwords);
        }

        public readonly bool Profile, AnyElf;
        public readonly uint Phases, LoadPhase, Marker, Finish, RegionBegin, RegionEnd, RegionCall;
        public readonly uint StackLimit, StackTop, Reset, Halfwords;
        public readonly List<(ushort Opcode, ushort Mask)> Patterns = new List<(ushort, ushort)>();
        public readonly List<Range> Ranges = new List<Range>();
        public readonly byte[] Marks, Distances;
    }

    // There is one at a time: the callbacks carry no user data.
    public static unsafe class BlockCounter
    {
        public const uint LayersMax = 1024, ContextsMax = 2048;

        public static readonly List<Context> Contexts = new List<Context>();

        public static Stop Stop => (Stop)state->Stop;
        public static uint StopPc => state->StopPc;
        public static uint StopAddress => state->StopAddress;
        public static uint StopDetail => state->StopDetail;
        public static uint[] StopRegisters => stopRegisters;
        public static uint CurrentContext => state->Context;
        public static uint PreviousSlot => state->PreviousSlot;
        public static uint SlotCount => state->SlotCount;
        public static Slot* Slots => state->Slots;
        public static uint ConditionRows => state->ConditionRows;
        public static uint RegionCalls => state->RegionCalls;
        public static ulong Steps => state->Steps;
        public static int PatternCount => patterns.Length;

        public static void Attach(TranslationCPU translationCpu, CounterSettings wanted)
        {
            Release();
            settings = wanted;
            cpu = translationCpu;
            library = new TranslationLibrary(cpu);
            patterns = InstallPatterns();
            Allocate();
            EnterContext(0, -1);
            state->PreviousCell = state->Cells;
            state->PreviousEnd = settings.Reset;
            Contexts[0].StackLow = settings.StackTop;
            cpu.AddHookAtInterruptBegin(OnException);
            if(settings.Profile)
            {
                // Only a hook that Renode knows of makes the translator call one; ours then takes its place.
                cpu.SetHookAtBlockBegin((_, __) => { });
                library.CallAtBlockBegin(&OnBlock);
                library.CallAtTranslation(&BeforeTranslation);
            }
            else
            {
                library.CallAtBlockBegin(&OnWatchedBlock);
                library.CallAtTranslation(&BeforePlainTranslation);
            }
        }

        public static void Fail(Stop why, uint pc, uint address, uint detail)
        {
            if(state->Stop == 0)
            {
                state->StopPc = pc;
                state->StopAddress = address;
                state->StopDetail = detail;
                for(var i = 0; i < stopRegisters.Length; i++)
                {
                    stopRegisters[i] = library.Register(i); // an exception that is entered now changes them
                }
                state->Stop = (uint)why;
                state->Begin = CounterSettings.NoAddress; // every block is special from now on
                state->FirstHalfwords = 0;
            }
            Stopped?.Invoke();
        }

        // What the opcode counters and the instruction counter say belongs to the context that is left.
        public static void CloseTotals()
        {
            if(settings.Profile)
            {
                return;
            }
            var totals = Contexts[(int)state->Context].Totals;
            for(var i = 0; i <= patterns.Length; i++)
            {
                // The library tells only the lower half of its counters.
                var now = i == 0 ? cpu.ExecutedInstructions : library.OpcodeCount(patterns[i - 1]);
                totals[i] += i == 0 ? now - lastTotals[i] : (uint)(now - lastTotals[i]);
                lastTotals[i] = now;
            }
        }

        public static event Action Stopped;

        public static void Release()
        {
            foreach(var pointer in allocated)
            {
                NativeMemory.Free((void*)pointer);
            }
            allocated.Clear();
            Contexts.Clear();
            library?.Dispose();
            library = null;
            Stopped = null;
            state = (State*)Allocated((ulong)sizeof(State));
        }

        private static void Allocate()
        {
            var halfwords = settings.Halfwords;
            state->SlotCapacity = halfwords + SpareSlots;
            state->Slots = (Slot*)Allocated(state->SlotCapacity * (ulong)sizeof(Slot));
            state->SlotCount = 1;
            state->Slots[0].Key = SpecialFlag; // no block equals the one that stands before the first
            state->SlotOf = (uint*)Allocated(halfwords * 4ul);
            state->Marks = (byte*)Allocated(halfwords);
            state->Distances = (byte*)Allocated(halfwords);
            Marshal.Copy(settings.Marks, 0, (IntPtr)state->Marks, (int)halfwords);
            Marshal.Copy(settings.Distances, 0, (IntPtr)state->Distances, (int)halfwords);
            state->Ranges = (Range*)Allocated((ulong)(settings.Ranges.Count * sizeof(Range)));
            for(var i = 0; i < settings.Ranges.Count; i++)
            {
                state->Ranges[i] = settings.Ranges[i];
            }
            state->RangeCount = (uint)settings.Ranges.Count;
            state->Begin = settings.Ranges[0].Begin;
            state->FirstHalfwords = settings.Ranges[0].Halfwords;
            state->ConditionRows = 1;
            uint conditional = 0;
            foreach(var mark in settings.Marks)
            {
                conditional += (mark & (byte)Mark.Conditions) != 0 ? 1u : 0u;
            }
            conditionCapacity = 2 * conditional + SpareConditions;
            contextOf = new ushort[settings.Phases * LayersMax];
            lastTotals = new ulong[patterns.Length + 1];
            inRegion = false;
            regionReturn = CounterSettings.NoAddress;
        }

        private static void* Allocated(ulong bytes)
        {
            var memory = NativeMemory.AllocZeroed((nuint)bytes);
            allocated.Add((IntPtr)memory);
            return memory;
        }

        private static uint[] InstallPatterns()
        {
            var installed = new List<uint>();
            foreach(var pattern in settings.Patterns)
            {
                installed.Add(library.InstallOpcodeCounter(pattern.Opcode, pattern.Mask));
            }
            cpu.EnableOpcodesCounting = installed.Count > 0;
            return installed.ToArray();
        }

        // Contexts ---------------------------------------------------------------------------------------------------

        private static bool EnterContext(uint phase, int layer)
        {
            CloseTotalsOfCurrent();
            ref var known = ref contextOf[phase * LayersMax + (uint)(layer + 1)];
            if(known == 0)
            {
                if(Contexts.Count == ContextsMax)
                {
                    return false;
                }
                Contexts.Add(new Context
                {
                    Phase = phase,
                    Layer = layer,
                    Cells = settings.Profile ? (Cell*)Allocated(state->SlotCapacity * (ulong)sizeof(Cell)) : null,
                    Conditions = settings.Profile ? (ulong*)Allocated(conditionCapacity * ConditionRowBytes) : null,
                    Totals = new ulong[patterns.Length + 1],
                });
                known = (ushort)Contexts.Count;
            }
            state->Context = known - 1u;
            state->Cells = Contexts[known - 1].Cells;
            state->Conditions = Contexts[known - 1].Conditions;
            return true;
        }

        private static void CloseTotalsOfCurrent()
        {
            if(Contexts.Count > 0)
            {
                CloseTotals();
            }
        }

        private static void OnMarker(uint pc)
        {
            var phase = library.Register(0);
            var layer = (int)library.Register(1);
            if(phase >= settings.Phases || layer < -1 || layer >= LayersMax - 1)
            {
                Fail(Stop.Marker, pc, phase, (uint)layer);
                return;
            }
            if(!EnterContext(phase, layer))
            {
                Fail(Stop.Contexts, pc, phase, (uint)layer);
                return;
            }
            NoteStack(pc); // what the new context finds
            if(phase == settings.LoadPhase)
            {
                state->Steps++;
            }
        }

        // A region that ends with a return ends where the link register pointed when it began, with the stack as it was.
        private static void OnRegion(uint pc)
        {
            var sp = library.Register(StackPointer);
            if(!inRegion)
            {
                if(pc == settings.RegionBegin && (++state->RegionCalls == settings.RegionCall || settings.RegionCall == 0))
                {
                    var ends = settings.RegionEnd != CounterSettings.NoAddress;
                    regionReturn = ends ? settings.RegionEnd : library.Register(LinkRegister) & ~1u;
                    regionStack = sp;
                    Watch(regionReturn);
                    EnterRegionPhase(pc, 1);
                }
            }
            else if(pc == regionReturn && (settings.RegionEnd != CounterSettings.NoAddress || sp >= regionStack))
            {
                EnterRegionPhase(pc, 0);
                if(settings.RegionCall != 0)
                {
                    Fail(Stop.Region, pc, 0, 0);
                }
            }
        }

        private static void EnterRegionPhase(uint pc, uint phase)
        {
            inRegion = phase != 0;
            EnterContext(phase, -1);
            NoteStack(pc);
        }

        private static void Watch(uint pc)
        {
            var index = IndexOf(pc);
            for(var slot = index == NoIndex ? 0 : state->SlotOf[index]; slot != 0; slot = state->Slots[slot].Next)
            {
                state->Slots[slot].Key |= SpecialFlag;
            }
        }

        private static void NoteStack(uint pc)
        {
            var sp = library.Register(StackPointer);
            var context = Contexts[(int)state->Context];
            if(sp >= context.StackLow)
            {
                return;
            }
            context.StackLow = sp;
            if(sp < settings.StackLimit)
            {
                Fail(Stop.Stack, pc, sp, 0);
                return;
            }
            for(var i = 0; i < StackPointer; i++)
            {
                context.Registers[i] = library.Register(i);
            }
            context.Registers[StackPointer] = sp;
            context.Registers[LinkRegister] = library.Register(LinkRegister);
            context.Registers[ProgramCounter] = pc;
            var size = settings.StackTop > sp ? settings.StackTop - sp : 0;
            context.Stack = size <= StackKeptMax ? cpu.Bus.ReadBytes(sp, (int)size, true, cpu) : Array.Empty<byte>();
        }

        // Blocks -----------------------------------------------------------------------------------------------------

        private static uint IndexOf(uint pc)
        {
            for(var i = 0; i < state->RangeCount; i++)
            {
                var index = (pc - state->Ranges[i].Begin) / 2;
                if(index < state->Ranges[i].Halfwords)
                {
                    return state->Ranges[i].FirstIndex + index;
                }
            }
            return NoIndex;
        }

        [UnmanagedCallersOnly(CallConvs = new[] { typeof(CallConvCdecl) })]
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static uint OnBlock(ulong address, uint instructions)
        {
            var s = state;
            var pc = (uint)address;
            var index = (pc - s->Begin) >> 1;
            var slot = index < s->FirstHalfwords ? s->SlotOf[index] : 0;
            var block = s->Slots + slot;
            if(block->Key != instructions)
            {
                return EnterSpecially(s, pc, instructions);
            }
            if(pc != s->PreviousEnd)
            {
                s->PreviousCell->Taken++;
            }
            var cell = s->Cells + slot;
            cell->Count++;
            s->PreviousCell = cell;
            s->PreviousSlot = slot;
            s->PreviousEnd = block->End;
            return 1;
        }

        [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
        private static uint EnterSpecially(State* s, uint pc, uint instructions)
        {
            if(s->Stop != 0)
            {
                return 0;
            }
            var index = IndexOf(pc);
            if(index == NoIndex)
            {
                Fail(Stop.OutsideCode, pc, pc, s->PreviousSlot);
                return 0;
            }
            var slot = FindSlot(s, index, pc, instructions);
            if(slot == 0)
            {
                return 0;
            }
            if(pc != s->PreviousEnd)
            {
                s->PreviousCell->Taken++;
            }
            if(pc == settings.Finish)
            {
                Fail(Stop.Finished, pc, 0, 0);
                return 0;
            }
            var marks = (Mark)s->Marks[index];
            if(pc == settings.Marker)
            {
                OnMarker(pc);
            }
            else if(pc == settings.RegionBegin || pc == regionReturn)
            {
                OnRegion(pc);
            }
            if(s->Stop != 0)
            {
                return 0;
            }
            Count(s, slot);
            if((marks & Mark.Stack) != 0)
            {
                NoteStack(pc);
            }
            if((marks & Mark.Break) != 0 && !IsServed(pc))
            {
                Fail(Stop.Break, pc, pc, 0);
            }
            return s->Stop == 0 ? 1u : 0u;
        }

        private static void Count(State* s, uint slot)
        {
            var block = s->Slots + slot;
            var cell = s->Cells + slot;
            cell->Count++;
            if(block->Conditions != 0)
            {
                s->Conditions[block->Conditions * FlagCombinations + (library.Register(StatusRegister) >> 28)]++;
            }
            s->PreviousCell = cell;
            s->PreviousSlot = slot;
            s->PreviousEnd = block->End;
        }

        private static uint FindSlot(State* s, uint index, uint pc, uint instructions)
        {
            for(var known = s->SlotOf[index]; known != 0; known = s->Slots[known].Next)
            {
                if(s->Slots[known].Instructions == instructions)
                {
                    return known;
                }
            }
            var marks = (Mark)s->Marks[index];
            if(s->SlotCount == s->SlotCapacity || (s->ConditionRows == conditionCapacity && (marks & Mark.Conditions) != 0))
            {
                Fail(Stop.Slots, pc, pc, instructions);
                return 0;
            }
            if(instructions > s->Distances[index])
            {
                Fail(Stop.NotCut, pc, pc, instructions);
                return 0;
            }
            var end = index;
            for(var i = 0u; i < instructions; i++)
            {
                var mark = end < settings.Halfwords ? (Mark)s->Marks[end] : Mark.None;
                if((mark & Mark.Code) == 0)
                {
                    Fail(Stop.OutsideCode, pc, pc + 2 * (end - index), s->PreviousSlot);
                    return 0;
                }
                end += (mark & Mark.Wide) != 0 ? 2u : 1u;
            }
            var fresh = s->SlotCount++;
            var special = marks & (Mark.Stack | Mark.Break | Mark.Conditions);
            var watched = pc == settings.Marker || pc == settings.Finish || pc == settings.RegionBegin || pc == regionReturn;
            var outsideFirst = index >= s->FirstHalfwords;
            s->Slots[fresh] = new Slot
            {
                Pc = pc,
                Instructions = instructions,
                End = pc + 2 * (end - index),
                Key = instructions | (watched || outsideFirst || special != 0 ? SpecialFlag : 0),
                Next = s->SlotOf[index],
                Conditions = (marks & Mark.Conditions) != 0 ? s->ConditionRows++ : 0,
            };
            s->SlotOf[index] = fresh;
            return fresh;
        }

        // The translator asks with each block that it looks up slowly, and so before each one that it translates.
        [UnmanagedCallersOnly(CallConvs = new[] { typeof(CallConvCdecl) })]
        private static void BeforeTranslation(ulong address)
        {
            var index = IndexOf((uint)address);
            library.SetMaximumBlockSize(index == NoIndex ? 1u : Math.Max((uint)state->Distances[index], 1u));
        }

        // Counting totals only, no block calls but those where a context begins, the stack is noted or the run ends.
        [UnmanagedCallersOnly(CallConvs = new[] { typeof(CallConvCdecl) })]
        private static void BeforePlainTranslation(ulong address)
        {
            var pc = (uint)address;
            var index = IndexOf(pc);
            var watched = pc == settings.Marker || pc == settings.Finish || IsStackNoted(index);
            library.SetBlockBeginHookPresent(watched ? 1u : 0u);
            library.SetMaximumBlockSize(index == NoIndex ? 1u : Math.Max((uint)state->Distances[index], 1u));
        }

        private static bool IsStackNoted(uint index)
        {
            return index != NoIndex && ((Mark)state->Marks[index] & Mark.Stack) != 0;
        }

        [UnmanagedCallersOnly(CallConvs = new[] { typeof(CallConvCdecl) })]
        private static uint OnWatchedBlock(ulong address, uint instructions)
        {
            var pc = (uint)address;
            if(pc == settings.Marker && state->Stop == 0)
            {
                OnMarker(pc);
            }
            if(pc == settings.Finish)
            {
                Fail(Stop.Finished, pc, 0, 0);
            }
            else if(state->Stop == 0 && IsStackNoted(IndexOf(pc)))
            {
                NoteStack(pc);
            }
            return state->Stop == 0 ? 1u : 0u;
        }

        // Exceptions -------------------------------------------------------------------------------------------------

        // Firmware of the harness takes none but SysTick's, which measures cycles. Any other may call its supervisor, too.
        private static void OnException(ulong number)
        {
            var pc = library.Register(ProgramCounter);
            if(number == Interrupt || (settings.AnyElf && number == SupervisorCall))
            {
                if(pc != state->PreviousEnd)
                {
                    state->PreviousCell->Taken++;
                }
                state->PreviousCell = state->Cells; // the edge into the handler belongs to no instruction
                state->PreviousEnd = CounterSettings.NoAddress;
            }
            else if(number != Breakpoint || !IsServed(pc))
            {
                Fail(Stop.Exception, pc, 0, (uint)number);
            }
        }

        // Of semihosting all is served but the two requests to exit.
        private static bool IsServed(uint pc)
        {
            var operation = library.Register(0);
            return settings.AnyElf && cpu.Bus.ReadWord(pc, cpu) == SemihostingBreakpoint && operation != 0x18 && operation != 0x20;
        }

        private const int StackPointer = 13, LinkRegister = 14, ProgramCounter = 15, StatusRegister = 25;
        private const uint NoIndex = uint.MaxValue, SpecialFlag = 1u << 31;
        private const uint SpareSlots = 4096, SpareConditions = 256, StackKeptMax = 1 << 20;
        private const uint FlagCombinations = 16, ConditionRowBytes = FlagCombinations * 8;
        private const uint SupervisorCall = 2, Interrupt = 5, Breakpoint = 7;
        private const ushort SemihostingBreakpoint = 0xBEAB;

        private static State* state;
        private static CounterSettings settings;
        private static TranslationCPU cpu;
        private static TranslationLibrary library;
        private static uint[] patterns = Array.Empty<uint>();
        private static ulong[] lastTotals;
        private static ushort[] contextOf;
        private static uint conditionCapacity, regionReturn, regionStack;
        private static bool inRegion;
        private static readonly uint[] stopRegisters = new uint[16];
        private static readonly List<IntPtr> allocated = new List<IntPtr>();

        [StructLayout(LayoutKind.Sequential)]
        private struct State
        {
            public uint Begin, FirstHalfwords;
            public uint* SlotOf;
            public Slot* Slots;
            public Cell* Cells, PreviousCell;
            public uint PreviousEnd, PreviousSlot;
            public ulong* Conditions;
            public byte* Marks, Distances;
            public Range* Ranges;
            public uint RangeCount, SlotCount, SlotCapacity, ConditionRows, Context, RegionCalls;
            public ulong Steps;
            public volatile uint Stop;
            public uint StopPc, StopAddress, StopDetail;
        }
    }

    // The entry points of the translation library of one core, called without Renode's wrappers.
    public sealed unsafe class TranslationLibrary : IDisposable
    {
        public TranslationLibrary(TranslationCPU cpu)
        {
            var field = typeof(TranslationCPU).GetField("libraryFile", BindingFlags.Instance | BindingFlags.NonPublic);
            library = NativeLibrary.Load((string)field.GetValue(cpu)); // it is loaded already, and stays the same one
            register = (delegate* unmanaged[Cdecl, SuppressGCTransition]<int, uint>)Address("tlib_get_register_value_32");
            maximumBlockSize = (delegate* unmanaged[Cdecl, SuppressGCTransition]<uint, uint>)Address(
                "tlib_set_maximum_block_size");
            blockBeginHook = (delegate* unmanaged[Cdecl, SuppressGCTransition]<uint, void>)Address(
                "tlib_set_block_begin_hook_present");
            opcodeCounter = (delegate* unmanaged[Cdecl]<uint, uint>)Address("tlib_get_opcode_counter");
            newOpcodeCounter = (delegate* unmanaged[Cdecl]<uint, uint, uint>)Address("tlib_install_opcode_counter");
        }

        public uint Register(int number) => register(number);

        public void SetMaximumBlockSize(uint instructions) => maximumBlockSize(instructions);

        public void SetBlockBeginHookPresent(uint present) => blockBeginHook(present);

        public uint OpcodeCount(uint counter) => opcodeCounter(counter);

        public uint InstallOpcodeCounter(uint opcode, uint mask) => newOpcodeCounter(opcode, mask);

        public void Dispose()
        {
            NativeLibrary.Free(library); // Renode unloads it when the machine goes; this was one more user
        }

        public void CallAtBlockBegin(delegate* unmanaged[Cdecl]<ulong, uint, uint> callback)
        {
            var attach = (delegate* unmanaged[Cdecl]<void*, void>)Address(
                "renode_external_attach__FuncUInt32UInt64UInt32__OnBlockBegin");
            attach(callback);
        }

        public void CallAtTranslation(delegate* unmanaged[Cdecl]<ulong, void> callback)
        {
            var attach = (delegate* unmanaged[Cdecl]<void*, void>)Address("renode_attach_log_translation_block_fetch");
            attach(callback);
        }

        private void* Address(string name) => (void*)NativeLibrary.GetExport(library, name);

        private readonly IntPtr library;
        private readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<int, uint> register;
        private readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<uint, uint> maximumBlockSize;
        private readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<uint, void> blockBeginHook;
        private readonly delegate* unmanaged[Cdecl]<uint, uint> opcodeCounter;
        private readonly delegate* unmanaged[Cdecl]<uint, uint, uint> newOpcodeCounter;
    }
}
