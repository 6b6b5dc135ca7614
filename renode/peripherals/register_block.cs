// Registers that keep what is written and are always ready, as harness/engine/device.py has them for the default engine.
using System;
using System.Collections.Generic;
using System.Globalization;

using Antmicro.Renode.Exceptions;
using Antmicro.Renode.Peripherals.Bus;

namespace Antmicro.Renode.Peripherals.Miscellaneous
{
    // A block of 32-bit registers. `initial` gives words after reset and `ready` the bits that always read as one, both as
    // "offset=value offset=value" in hexadecimal.
    [AllowedTranslations(AllowedTranslation.ByteToDoubleWord | AllowedTranslation.WordToDoubleWord)]
    public class RegisterBlock : IDoubleWordPeripheral, IKnownSize
    {
        public RegisterBlock(long size, string initial = "", string ready = "")
        {
            Size = size;
            resetWords = Parse(initial);
            readyBits = Parse(ready);
            Reset();
        }

        public void Reset()
        {
            words = new Dictionary<long, uint>(resetWords);
        }

        public uint ReadDoubleWord(long offset)
        {
            words.TryGetValue(offset, out var word);
            readyBits.TryGetValue(offset, out var ready);
            return word | ready;
        }

        public void WriteDoubleWord(long offset, uint value)
        {
            words[offset] = value;
        }

        public long Size { get; }

        private static Dictionary<long, uint> Parse(string pairs)
        {
            var words = new Dictionary<long, uint>();
            foreach(var pair in pairs.Split(new[] { ' ' }, StringSplitOptions.RemoveEmptyEntries))
            {
                var sides = pair.Split('=');
                if(sides.Length != 2)
                {
                    throw new ConstructionException($"'{pair}': expected offset=value in hexadecimal");
                }
                words[long.Parse(sides[0], NumberStyles.HexNumber)] = uint.Parse(sides[1], NumberStyles.HexNumber);
            }
            return words;
        }

        private Dictionary<long, uint> words;

        private readonly Dictionary<long, uint> resetWords;
        private readonly Dictionary<long, uint> readyBits;
    }

    // The three mirrors of 4 KiB behind a peripheral of the RP2040: a write to them toggles, sets or clears the bits of
    // a register (RP2040 Datasheet, 2.1.2).
    [AllowedTranslations(AllowedTranslation.ByteToDoubleWord | AllowedTranslation.WordToDoubleWord)]
    public class AtomicAliases : IDoubleWordPeripheral, IKnownSize
    {
        public AtomicAliases(IDoubleWordPeripheral target)
        {
            this.target = target;
        }

        public void Reset()
        {
        }

        public uint ReadDoubleWord(long offset)
        {
            return target.ReadDoubleWord(offset % MirrorSize);
        }

        public void WriteDoubleWord(long offset, uint value)
        {
            var register = offset % MirrorSize;
            var old = target.ReadDoubleWord(register);
            switch(offset / MirrorSize)
            {
            case 0:
                value = old ^ value;
                break;
            case 1:
                value = old | value;
                break;
            default:
                value = old & ~value;
                break;
            }
            target.WriteDoubleWord(register, value);
        }

        public long Size => 3 * MirrorSize;

        private readonly IDoubleWordPeripheral target;

        private const long MirrorSize = 0x1000;
    }
}
